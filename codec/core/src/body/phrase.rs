//! Bodies in a few words: `HK.00700 rtList[2] name=TENCENT`.
//!
//! What is said of a field is what `ftwire_tools.messages.summary` says of it in the parsed message.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::check::{pass_found, pass_list};
use super::layout::{Field, FieldSpec, Kind, Layout};
use super::scalar::Scalar;
use super::walk::{as_int32, Found, Reader, Walk};
use super::write::push_float;
use super::{MAX_BODY, MAX_DEPTH};

/// Characters of text that are shown.
const MAX_TEXT: usize = 32;
const SPACES: &str = "                                ";
const ZEROS: &str = "00000000000000000000000000000000";
/// Bytes of most phrases.
const USUAL: usize = 96;

/// What is said of one field of the payload.
struct Fact {
    /// Of a scalar `label=value`, of a list `label[count]`.
    label: String,
    /// Which of the fields of a message, or of a list's only item, are said with it.
    inner: Vec<usize>,
    /// What to call that of the item.
    inner_label: String,
    /// Numbers that have names, in order.
    names: Vec<(i32, String)>,
}

/// A fact as Python tells it: the field's number, label, numbers of fields inside, what to call those, and names.
type FactSpec = (u32, String, Vec<u32>, String, Vec<(i32, String)>);

/// Says what is in the bodies of one message class.
#[pyclass(frozen)]
pub struct Phrase {
    layouts: Vec<Layout>,
    /// Index of the body's field that must be there and 0.
    zero: Option<usize>,
    /// Index of the body's field that is spoken of; `None`: it is the body itself.
    payload: Option<usize>,
    /// By the payload's fields.
    facts: Vec<Option<Fact>>,
    /// How many are said at most.
    most: usize,
}

/// A phrase as far as it is said.
struct Said<'t> {
    text: &'t mut String,
    facts: usize,
}

impl Phrase {
    fn body(&self, body: &[u8], text: &mut String) -> Option<()> {
        let mut said = Said { text, facts: 0 };
        let Some(payload) = self.payload else {
            return self.message(0, body, MAX_DEPTH, &mut said);
        };
        let mut walk = Walk::new(self.layouts.first()?, body);
        let depth = MAX_DEPTH - 1;
        let mut is_zero = self.zero.is_none();
        while let Some(found) = walk.step()? {
            if Some(found.index) == self.zero {
                is_zero = as_int32(walk.reader.varint()?) == 0;
            } else if found.index == payload {
                self.message(found.field.message, walk.reader.delimited()?, depth, &mut said)?;
            } else {
                pass_found(&self.layouts, &found, &mut walk, depth)?;
            }
        }
        is_zero.then_some(())
    }

    /// Say what is in the payload.
    fn message(&self, layout: usize, data: &[u8], depth: u32, said: &mut Said) -> Option<()> {
        let mut walk = Walk::new(self.layouts.get(layout)?, data);
        let depth = depth.checked_sub(1)?;
        while let Some(found) = walk.step()? {
            let Some(fact) = self.facts.get(found.index)? else {
                pass_found(&self.layouts, &found, &mut walk, depth)?;
                continue;
            };
            // What is said beyond the limit is taken back: it must parse all the same.
            let before = said.text.len();
            if said.facts > 0 {
                said.text.push(' ');
            }
            if found.field.repeated {
                self.list(fact, &found, &mut walk, depth, said.text)?;
            } else if found.field.kind == Kind::Message {
                self.security(fact, found.field.message, walk.reader.delimited()?, depth, said.text)?;
            } else {
                label(&fact.label, said.text);
                push_value(found.field, &mut walk.reader, &fact.names, said.text)?;
            }
            said.facts += 1;
            if said.facts > self.most {
                said.text.truncate(before);
            }
        }
        Some(())
    }

    /// `label[2]`, or `label[1] price=600.5`.
    fn list(&self, fact: &Fact, found: &Found, walk: &mut Walk, depth: u32, out: &mut String) -> Option<()> {
        let (count, first) = pass_list(&self.layouts, found, walk, depth)?;
        out.push_str(&fact.label);
        out.push('[');
        out.push_str(itoa::Buffer::new().format(count));
        out.push(']');
        let Some(wanted) = fact.inner.first().filter(|_| count == 1) else { return Some(()) };
        let mut walk = Walk::new(self.layouts.get(found.field.message)?, first);
        while let Some(found) = walk.step()? {
            if found.index == *wanted {
                out.push(' ');
                label(&fact.inner_label, out);
                push_value(found.field, &mut walk.reader, &[], out)?;
            } else {
                pass_found(&self.layouts, &found, &mut walk, depth.checked_sub(1)?)?;
            }
        }
        Some(())
    }

    /// `HK.00700`: the name of a number, or the number, and text.
    fn security(&self, fact: &Fact, layout: usize, data: &[u8], depth: u32, out: &mut String) -> Option<()> {
        let mut walk = Walk::new(self.layouts.get(layout)?, data);
        let (mut market, mut code) = (0, "");
        while let Some(found) = walk.step()? {
            if fact.inner.first() == Some(&found.index) {
                market = as_int32(walk.reader.varint()?);
            } else if fact.inner.get(1) == Some(&found.index) {
                code = std::str::from_utf8(walk.reader.delimited()?).ok()?;
            } else {
                pass_found(&self.layouts, &found, &mut walk, depth.checked_sub(1)?)?;
            }
        }
        let start = out.len();
        push_named(market, &fact.names, out);
        out.push('.');
        if !code.chars().all(is_plain) {
            return None;
        }
        out.push_str(code);
        (out.len() - start <= MAX_TEXT).then_some(())
    }
}

fn label(name: &str, out: &mut String) {
    out.push_str(name);
    out.push('=');
}

/// The name of a number, or the number.
fn push_named(number: i32, names: &[(i32, String)], out: &mut String) {
    match names.binary_search_by_key(&number, |name| name.0).ok().and_then(|at| names.get(at)) {
        Some((_, name)) => out.push_str(name),
        None => out.push_str(itoa::Buffer::new().format(number)),
    }
}

/// A letter or digit of the most usual sorts: ASCII, and Chinese as of Unicode 13 at the latest.
fn is_usual(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '\u{4e00}'..='\u{9fef}')
}

/// What every terminal shows as it is.
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') || is_usual(character)
}

/// Text, in quotes where it would otherwise run into its neighbours.
fn push_text(text: &str, out: &mut String) -> Option<()> {
    if text.len() <= MAX_TEXT && !text.is_empty() && text.chars().all(is_usual) {
        out.push_str(text);
        return Some(());
    }
    // Longer text is cut short by whoever knows how.
    if text.len() > MAX_TEXT || !text.chars().all(is_plain) {
        return None;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
    Some(())
}

/// A scalar as Python writes it, or the name of its number.
fn push_value(field: &Field, reader: &mut Reader, names: &[(i32, String)], out: &mut String) -> Option<()> {
    match Scalar::read(field, reader)? {
        Scalar::Real(value) if value.is_finite() => push_float(value, out),
        Scalar::Number(value) => push_named(value, names, out),
        Scalar::Signed(value) => out.push_str(itoa::Buffer::new().format(value)),
        Scalar::Unsigned(value) => out.push_str(itoa::Buffer::new().format(value)),
        Scalar::Truth(value) => out.push_str(if value { "true" } else { "false" }),
        Scalar::Text(text) => push_text(text, out)?,
        Scalar::Real(_) | Scalar::Bytes(_) => return None,
    }
    Some(())
}

/// Write a form up to the place of its next value, and the value, if there is one; give what is behind.
fn place<'f>(form: &'f str, value: Option<&Bound<'_, PyAny>>, out: &mut String) -> Option<&'f str> {
    let (literal, rest) = form.split_once('%')?;
    out.push_str(literal);
    let digits = rest.trim_start_matches(['-', '0']);
    let flags = &rest[..rest.len() - digits.len()];
    let after = digits.trim_start_matches(|character: char| character.is_ascii_digit());
    let width: usize = match &digits[..digits.len() - after.len()] {
        "" => 0,
        width => width.parse().ok().filter(|width| *width <= MAX_TEXT)?,
    };
    let conversion = after.chars().next()?;
    let after = &after[1..];
    let start = out.len();
    match (conversion, value) {
        ('s', None) if width == 0 => return Some(after),
        ('s', Some(value)) => {
            out.push_str(value.cast::<PyString>().ok()?.to_str().ok().filter(|text| text.is_ascii())?)
        }
        ('d', Some(value)) => out.push_str(itoa::Buffer::new().format(value.extract::<u64>().ok()?)),
        _ => return None,
    }
    let lack = width.saturating_sub(out.len() - start);
    match flags {
        "-" => out.extend(std::iter::repeat_n(' ', lack)),
        "0" if conversion == 'd' => out.insert_str(start, &ZEROS[..lack]),
        "" => out.insert_str(start, &SPACES[..lack]),
        _ => return None,
    }
    Some(after)
}

impl Fact {
    /// Take what Python tells of a field; `None` where the field cannot be spoken of so.
    fn new(layouts: &[Layout], field: &Field, spec: FactSpec) -> Option<Fact> {
        let (_, label, numbers, inner_label, mut names) = spec;
        let mut inner = Vec::new();
        let mut kinds = Vec::new();
        if field.kind == Kind::Message {
            let layout = layouts.get(field.message)?;
            for number in numbers {
                let place = layout.place(number)?;
                let found = layout.fields.get(place).filter(|found| !found.repeated && found.kind != Kind::Message)?;
                inner.push(place);
                kinds.push(found.kind);
            }
        }
        let is_security = matches!(kinds[..], [Kind::Int32, Kind::String]);
        if (field.kind == Kind::Message && !field.repeated && !is_security) || (field.repeated && inner.len() > 1) {
            return None;
        }
        names.sort_by_key(|name| name.0);
        Some(Fact { label, inner, inner_label, names })
    }
}

#[pymethods]
impl Phrase {
    /// `messages` as `Plan` takes them; `payload` and `zero` are field numbers of the body. Each of the facts has a
    /// field's number, its label, the numbers of fields inside and their label, and the names of its numbers.
    #[new]
    #[allow(clippy::needless_pass_by_value)] // Python's lists come as values
    fn new(
        py: Python,
        messages: Vec<Vec<FieldSpec>>,
        payload: Option<u32>,
        zero: Option<u32>,
        facts: Vec<FactSpec>,
        most: usize,
    ) -> PyResult<Self> {
        let wrong = |what: &str| PyValueError::new_err(format!("there is no such {what}"));
        let layouts = Layout::all(py, messages)?;
        let body = layouts.first().ok_or_else(|| wrong("message"))?;
        let place = |number: Option<u32>, kind: Kind| match number {
            None => Ok(None),
            Some(number) => body
                .place(number)
                .filter(|at| body.fields.get(*at).is_some_and(|field| field.kind == kind && !field.repeated))
                .map(Some)
                .ok_or_else(|| wrong("field")),
        };
        let (payload, zero) = (place(payload, Kind::Message)?, place(zero, Kind::Int32)?);
        let spoken_of = payload.and_then(|at| body.fields.get(at)).map_or(0, |field| field.message);
        let fields = &layouts.get(spoken_of).ok_or_else(|| wrong("message"))?.fields;
        let mut said: Vec<Option<Fact>> = fields.iter().map(|_| None).collect();
        for spec in facts {
            let at = fields.binary_search_by_key(&spec.0, |field| field.number).map_err(|_| wrong("field"))?;
            said[at] = Some(Fact::new(&layouts, &fields[at], spec).ok_or_else(|| wrong("fact"))?);
        }
        Ok(Phrase { payload, zero, facts: said, most, layouts })
    }

    /// What is in a body, in a few words; `None` where the body is not plain, or there is more to say.
    fn text<'py>(&self, py: Python<'py>, body: &[u8]) -> Option<Bound<'py, PyString>> {
        if body.len() > MAX_BODY {
            return None;
        }
        let mut text = String::with_capacity(USUAL);
        self.body(body, &mut text)?;
        Some(PyString::new(py, &text))
    }

    /// The same in a line: `form % (*values, text)`, with nothing in the form but `%d`, `%s` and how wide they are.
    /// `None` also where nothing is said, or the text ends with a space.
    fn line<'py>(
        &self,
        py: Python<'py>,
        form: &str,
        values: &Bound<'py, PyTuple>,
        body: &[u8],
    ) -> Option<Bound<'py, PyString>> {
        if body.len() > MAX_BODY {
            return None;
        }
        let mut line = String::with_capacity(2 * USUAL);
        let mut rest = form;
        for value in values.iter_borrowed() {
            rest = place(rest, Some(&value), &mut line)?;
        }
        rest = place(rest, None, &mut line)?;
        let before = line.len();
        self.body(body, &mut line)?;
        if line.len() == before || line.ends_with(' ') || rest.contains('%') {
            return None;
        }
        line.push_str(rest);
        Some(PyString::new(py, &line))
    }
}
