import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** As much JSON as the vectors need: Java has none of its own. Objects are maps, numbers are longs. */
final class Json {
    private final String text;
    private int at = 0;

    private Json(String text) {
        this.text = text;
    }

    static Object read(String text) {
        return new Json(text).value();
    }

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private Object value() {
        char first = next();
        switch (first) {
            case '{': {
                Map<String, Object> object = new LinkedHashMap<>();
                for (char mark = next(); mark != '}'; mark = next()) {
                    if (mark == ',') mark = next();
                    String name = string();
                    next(); // the colon
                    object.put(name, value());
                }
                return object;
            }
            case '[': {
                List<Object> list = new ArrayList<>();
                for (char mark = next(); mark != ']'; mark = next()) {
                    if (mark != ',') at--;
                    list.add(value());
                }
                return list;
            }
            case '"':
                return string();
            default:
                int start = at - 1;
                while (at < text.length() && ",]} ".indexOf(text.charAt(at)) < 0) at++;
                String word = text.substring(start, at);
                return switch (word) {
                    case "true" -> true;
                    case "false" -> false;
                    case "null" -> null;
                    default -> word.matches("-?\\d+") ? (Object) Long.valueOf(word) : Double.valueOf(word);
                };
        }
    }

    private char next() {
        while (text.charAt(at) == ' ') at++;
        return text.charAt(at++);
    }

    /** Reads the rest of a string, whose first quotation mark is read already. */
    private String string() {
        StringBuilder out = new StringBuilder();
        for (char c = text.charAt(at++); c != '"'; c = text.charAt(at++)) {
            if (c != '\\') {
                out.append(c);
                continue;
            }
            c = text.charAt(at++);
            switch (c) {
                case 'u' -> {
                    out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                }
                case 'n' -> out.append('\n');
                case 'r' -> out.append('\r');
                case 't' -> out.append('\t');
                case 'b' -> out.append('\b');
                case 'f' -> out.append('\f');
                default -> out.append(c);
            }
        }
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof Map<?, ?> object) {
            out.append('{');
            for (Iterator<? extends Map.Entry<?, ?>> members = object.entrySet().iterator(); members.hasNext(); ) {
                Map.Entry<?, ?> member = members.next();
                write(member.getKey(), out);
                out.append(':');
                write(member.getValue(), out);
                if (members.hasNext()) out.append(',');
            }
            out.append('}');
        } else if (value instanceof List<?> list) {
            out.append('[');
            for (int each = 0; each < list.size(); each++) {
                if (each > 0) out.append(',');
                write(list.get(each), out);
            }
            out.append(']');
        } else if (value instanceof String string) {
            out.append('"');
            for (char c : string.toCharArray()) {
                if (c == '"' || c == '\\') out.append('\\').append(c);
                else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
                else out.append(c);
            }
            out.append('"');
        } else {
            out.append(value);
        }
    }
}
