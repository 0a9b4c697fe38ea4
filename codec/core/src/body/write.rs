//! Numbers, text and bytes as Python's `json` writes them.

/// A float that is not finite, as protobuf's JSON mapping writes it.
pub fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// The float with the fewest digits, at least six, that is the same in four bytes.
pub fn shortest(value: f32) -> f64 {
    let exact = f64::from(value);
    for digits in 5..8 {
        if let Ok(short) = format!("{exact:.digits$e}").parse::<f64>() {
            // Enough digits, if rounding to four bytes results in the same value.
            #[allow(clippy::cast_possible_truncation, clippy::float_cmp)]
            if short as f32 == value {
                return short;
            }
        }
    }
    format!("{exact:.8e}").parse().unwrap_or(exact)
}

/// A finite float as Python's `repr` writes it.
#[allow(clippy::float_cmp)] // whole or not, zero or not
pub fn push_float(value: f64, out: &mut String) {
    let magnitude = value.abs();
    if magnitude < 9_007_199_254_740_992.0 && value == value.trunc() && !(value == 0.0 && value.is_sign_negative()) {
        #[allow(clippy::cast_possible_truncation)] // whole, and below 2 to the 53rd
        out.push_str(itoa::Buffer::new().format(value as i64));
        out.push_str(".0");
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    if (1e-4..1e16).contains(&magnitude) || magnitude == 0.0 {
        // Within these bounds Rust's shortest text is Python's.
        out.push_str(text);
        return;
    }
    // The same digits, in Python's exponent form: 1e+16, 1.5e-05.
    let (text, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, "-"),
        None => (text, ""),
    };
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or(0)),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // at most 25 digits
    let exponent = exponent + whole.len() as i32 - 1 - leading as i32;
    let (first, rest) = significant.split_at(significant.len().min(1));
    out.push_str(sign);
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out.push('e');
    out.push(if exponent < 0 { '-' } else { '+' });
    if exponent.abs() < 10 {
        out.push('0');
    }
    out.push_str(itoa::Buffer::new().format(exponent.unsigned_abs()));
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn push_escape(unit: u16, out: &mut String) {
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from(HEX[usize::from(unit >> shift & 15)]));
    }
}

/// Text as JSON writes it in ASCII, in quotes.
pub fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    let plain =
        text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~' if byte != b'"' && byte != b'\\'));
    if plain {
        out.push_str(text);
    } else {
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{c}' => out.push_str("\\f"),
                '\u{8}' => out.push_str("\\b"),
                ' '..='~' => out.push(character),
                _ => {
                    for &mut unit in character.encode_utf16(&mut [0; 2]) {
                        push_escape(unit, out);
                    }
                }
            }
        }
    }
    out.push('"');
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn push_base64(data: &[u8], out: &mut String) {
    for chunk in data.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4usize {
            if index > chunk.len() {
                out.push('=');
            } else {
                out.push(char::from(BASE64[(bits >> (18 - 6 * index) & 63) as usize]));
            }
        }
    }
}
