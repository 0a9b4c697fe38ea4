import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * A starting point for a client of OpenD in Java: frames, digests and AES, and this program that tests them.
 *
 * <pre>ftwire vectors check --command 'java -cp build Main'</pre>
 */
final class Main {
    private static final HexFormat HEX = HexFormat.of();

    private Main() {}

    /** The input of a vector. */
    private record Input(Map<?, ?> members) {
        String text(String name) {
            return (String) members.get(name);
        }

        byte[] bytes(String name) {
            return HEX.parseHex(text(name));
        }

        long number(String name) {
            return (Long) members.get(name);
        }

        int small(String name) {
            return Math.toIntExact(number(name));
        }

        OpenD.Encryption cipher() {
            Input cipher = new Input((Map<?, ?>) members.get("cipher"));
            return cipher.encryption(cipher.text("name"));
        }

        OpenD.Encryption encryption(String name) {
            return new OpenD.Encryption(name, text("key"), text("iv"));
        }
    }

    private static Map<String, Object> hex(String name, byte[] data) {
        return Map.of(name, HEX.formatHex(data));
    }

    private static Map<String, Object> facts(OpenD.Header header, byte[] body) {
        return Map.of(
                "protoId", header.protoId(), "serial", header.serial(), "bodyFormat", header.bodyFormat(),
                "body", HEX.formatHex(body));
    }

    private static Map<String, Object> stream(Input input) {
        List<Object> events = new ArrayList<>();
        OpenD.Decoder decoder = new OpenD.Decoder(input.cipher(), input.number("maxBody"));
        try {
            for (Object chunk : (List<?>) input.members().get("chunks")) {
                decoder.feed(HEX.parseHex((String) chunk), (header, body) -> events.add(body != null
                        ? facts(header, body)
                        : Map.of("protoId", header.protoId(), "serial", header.serial(), "damaged", true)));
            }
        } catch (OpenD.WireException lost) {
            return Map.of("events", events, "fatal", true, "pending", 0);
        }
        return Map.of("events", events, "fatal", false, "pending", decoder.pending());
    }

    /** Returns the output for a vector; null for what is not supported. */
    private static Map<String, Object> answer(String group, String operation, Input input) throws OpenD.WireException {
        switch (group + " " + operation) {
            case "header decode": {
                OpenD.Header header = OpenD.Header.decode(input.bytes("data"));
                return Map.of(
                        "protoId", header.protoId(), "bodyFormat", header.bodyFormat(), "version", header.version(),
                        "serial", header.serial(), "bodyLength", header.bodyLength(),
                        "sha1", HEX.formatHex(header.sha1()), "reserved", HEX.formatHex(header.reserved()));
            }
            case "header encode":
                return hex("data", new OpenD.Header(
                        input.number("protoId"), input.small("bodyFormat"), input.small("version"),
                        input.number("serial"), input.number("bodyLength"), input.bytes("sha1"),
                        input.bytes("reserved")).encode());
            case "sha1 digest":
                return hex("sha1", OpenD.sha1(input.bytes("body")));
            case "frame decode": {
                OpenD.Frame frame = OpenD.Frame.decode(input.bytes("data"), input.cipher());
                return facts(frame.header(), frame.body());
            }
            case "frame encode":
                return hex("data", OpenD.Frame.encode(
                        input.number("protoId"), input.number("serial"), input.small("bodyFormat"),
                        input.bytes("body"), input.cipher()));
            case "stream decode":
                return stream(input);
            case "ftaes_ecb encrypt", "aes_ecb encrypt", "aes_cbc encrypt":
                return hex("payload", input.encryption(group).encrypt(input.bytes("body")));
            case "ftaes_ecb decrypt", "aes_ecb decrypt", "aes_cbc decrypt":
                return hex("body", input.encryption(group).decrypt(input.bytes("payload")));
            default:
                return null;
        }
    }

    private static Map<String, Object> reply(Map<?, ?> question) {
        Object id = question.get("id");
        Input input = new Input((Map<?, ?>) question.get("input"));
        try {
            Map<String, Object> output =
                    answer((String) question.get("group"), (String) question.get("operation"), input);
            return output == null ? Map.of("id", id, "unsupported", true) : Map.of("id", id, "output", output);
        } catch (OpenD.WireException error) {
            return Map.of("id", id, "error", error.getMessage());
        }
    }

    public static void main(String[] arguments) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8); // flushed at every line
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            answers.println(Json.write(reply((Map<?, ?>) Json.read(line))));
        }
    }
}
