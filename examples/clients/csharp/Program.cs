// A starting point for a client of OpenD in C#: frames, digests and AES, and this program that tests them.
//
//     ftwire vectors check --command 'mono decoder.exe'
using System;
using System.Collections.Generic;
using Members = System.Collections.Generic.Dictionary<string, object>;

static class Program
{
    static void Main()
    {
        // Console.ReadLine takes lines of any length; standard output flushes at every line.
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
            Console.WriteLine(Json.Write(Reply((Members)Json.Read(line))));
    }

    static Members Reply(Members question)
    {
        var reply = new Members { ["id"] = question["id"] };
        try
        {
            var output = Answer((string)question["group"], (string)question["operation"], (Members)question["input"]);
            if (output == null) reply["unsupported"] = true;
            else reply["output"] = output;
        }
        catch (WireException error)
        {
            reply["error"] = error.Message;
        }
        return reply;
    }

    /// <summary>Returns the output for a vector; null for what is not supported.</summary>
    static Members Answer(string group, string operation, Members input)
    {
        switch (group + " " + operation)
        {
            case "header decode":
                var read = Header.Decode(Bytes(input["data"]));
                return new Members
                {
                    ["protoId"] = read.ProtoId, ["bodyFormat"] = read.BodyFormat, ["version"] = read.Version,
                    ["serial"] = read.Serial, ["bodyLength"] = read.BodyLength, ["sha1"] = Hex(read.Sha1),
                    ["reserved"] = Hex(read.Reserved),
                };
            case "header encode":
                var header = new Header
                {
                    ProtoId = Number(input["protoId"]), BodyFormat = (byte)Number(input["bodyFormat"]),
                    Version = (byte)Number(input["version"]), Serial = Number(input["serial"]),
                    BodyLength = Number(input["bodyLength"]), Sha1 = Bytes(input["sha1"]),
                    Reserved = Bytes(input["reserved"]),
                };
                return new Members { ["data"] = Hex(header.Encode()) };
            case "sha1 digest":
                return new Members { ["sha1"] = Hex(Frame.Sha1(Bytes(input["body"]))) };
            case "frame decode":
                return Facts(Frame.Decode(Bytes(input["data"]), CipherOf(input)));
            case "frame encode":
                var data = Frame.Encode(
                    Number(input["protoId"]), Number(input["serial"]), (byte)Number(input["bodyFormat"]),
                    Bytes(input["body"]), CipherOf(input));
                return new Members { ["data"] = Hex(data) };
            case "stream decode":
                return Stream(input);
            case "ftaes_ecb encrypt":
            case "aes_ecb encrypt":
            case "aes_cbc encrypt":
                return new Members { ["payload"] = Hex(CipherOf(group, input).Encrypt(Bytes(input["body"]))) };
            case "ftaes_ecb decrypt":
            case "aes_ecb decrypt":
            case "aes_cbc decrypt":
                return new Members { ["body"] = Hex(CipherOf(group, input).Decrypt(Bytes(input["payload"]))) };
            default:
                return null;
        }
    }

    static Members Stream(Members input)
    {
        var decoder = new Decoder(CipherOf(input), Number(input["maxBody"]));
        var events = new List<object>();
        try
        {
            foreach (var chunk in (List<object>)input["chunks"])
                foreach (var frame in decoder.Feed(Bytes(chunk))) events.Add(Facts(frame));
        }
        catch (WireException)
        {
            return new Members { ["events"] = events, ["fatal"] = true, ["pending"] = 0 };
        }
        return new Members { ["events"] = events, ["fatal"] = false, ["pending"] = decoder.Pending };
    }

    static Members Facts(Frame frame)
    {
        var facts = new Members { ["protoId"] = frame.Header.ProtoId, ["serial"] = frame.Header.Serial };
        if (frame.Body == null)
        {
            facts["damaged"] = true;
            return facts;
        }
        facts["bodyFormat"] = frame.Header.BodyFormat;
        facts["body"] = Hex(frame.Body);
        return facts;
    }

    static BodyCipher CipherOf(Members input)
    {
        var cipher = (Members)input["cipher"];
        return CipherOf((string)cipher["name"], cipher);
    }

    static BodyCipher CipherOf(string name, Members of)
    {
        of.TryGetValue("key", out var key);
        of.TryGetValue("iv", out var iv);
        return new BodyCipher(name, (string)key, (string)iv);
    }

    static uint Number(object value) => (uint)(long)value;

    static string Hex(byte[] data) => BitConverter.ToString(data).Replace("-", "").ToLowerInvariant();

    static byte[] Bytes(object value)
    {
        var hex = (string)value;
        var data = new byte[hex.Length / 2];
        for (var at = 0; at < data.Length; at++) data[at] = Convert.ToByte(hex.Substring(2 * at, 2), 16);
        return data;
    }
}
