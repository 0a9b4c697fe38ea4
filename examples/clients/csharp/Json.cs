using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

/// <summary>
/// As much JSON as the vectors need, since Mono has none without further assemblies; where there is .NET,
/// System.Text.Json does it. Objects are dictionaries, numbers are longs.
/// </summary>
class Json
{
    readonly string text;
    int at;

    Json(string text) => this.text = text;

    public static object Read(string text) => new Json(text).Value();

    object Value()
    {
        var first = Next();
        if (first == '{')
        {
            var members = new Dictionary<string, object>();
            for (var mark = Next(); mark != '}'; mark = Next())
            {
                if (mark == ',') Next();
                var name = String();
                Next(); // the colon
                members[name] = Value();
            }
            return members;
        }
        if (first == '[')
        {
            var items = new List<object>();
            for (var mark = Next(); mark != ']'; mark = Next())
            {
                if (mark != ',') at--;
                items.Add(Value());
            }
            return items;
        }
        if (first == '"') return String();
        var start = at - 1;
        while (at < text.Length && ",]} ".IndexOf(text[at]) < 0) at++;
        var word = text.Substring(start, at - start);
        if (word == "null") return null;
        if (word == "true" || word == "false") return word == "true";
        if (long.TryParse(word, out var number)) return number;
        return double.Parse(word, CultureInfo.InvariantCulture);
    }

    char Next()
    {
        while (text[at] == ' ') at++;
        return text[at++];
    }

    /// <summary>Reads the rest of a string, whose first quotation mark is read already.</summary>
    string String()
    {
        var found = new StringBuilder();
        for (var c = text[at++]; c != '"'; c = text[at++])
        {
            if (c == '\\')
            {
                c = text[at++];
                if (c == 'u')
                {
                    c = (char)int.Parse(text.Substring(at, 4), NumberStyles.HexNumber);
                    at += 4;
                }
                else if ("nrtbf".IndexOf(c) >= 0) c = "\n\r\t\b\f"["nrtbf".IndexOf(c)];
            }
            found.Append(c);
        }
        return found.ToString();
    }

    public static string Write(object value)
    {
        if (value == null) return "null";
        if (value is bool truth) return truth ? "true" : "false";
        if (value is string words) return '"' + string.Concat(words.Select(Escaped)) + '"';
        if (value is IDictionary<string, object> members)
            return "{" + string.Join(",", members.Select(each => Write(each.Key) + ":" + Write(each.Value))) + "}";
        if (value is IEnumerable<object> items) return "[" + string.Join(",", items.Select(Write)) + "]";
        return string.Format(CultureInfo.InvariantCulture, "{0}", value);
    }

    static string Escaped(char c) =>
        c == '"' || c == '\\' ? "\\" + c : c < ' ' ? $"\\u{(int)c:x4}" : c.ToString();
}
