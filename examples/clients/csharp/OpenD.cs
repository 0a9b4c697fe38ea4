using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

/// <summary>Bytes that are no frame, or not under this cipher.</summary>
class WireException : Exception
{
    public WireException(string message) : base(message) { }
}

/// <summary>What stands in front of every body: 44 bytes, packed, numbers little-endian.</summary>
class Header
{
    public const int Size = 44;

    public uint ProtoId;
    /// <summary>0 protobuf, 1 JSON.</summary>
    public byte BodyFormat;
    public byte Version;
    /// <summary>A reply repeats that of its request.</summary>
    public uint Serial;
    /// <summary>Of the body as it is sent: encrypted, if it is.</summary>
    public uint BodyLength;
    public byte[] Sha1 = new byte[20];
    public byte[] Reserved = new byte[8];

    public byte[] Encode()
    {
        var data = new byte[Size];
        data[0] = (byte)'F';
        data[1] = (byte)'T';
        PutNumber(data, 2, ProtoId);
        data[6] = BodyFormat;
        data[7] = Version;
        PutNumber(data, 8, Serial);
        PutNumber(data, 12, BodyLength);
        Sha1.CopyTo(data, 16);
        Reserved.CopyTo(data, 36);
        return data;
    }

    /// <summary>Reads a header; the data may be longer.</summary>
    public static Header Decode(byte[] data)
    {
        CheckMagic(data, 0, data.Length);
        if (data.Length < Size) throw new WireException("a header has 44 bytes");
        return Decode(data, 0);
    }

    internal static Header Decode(byte[] data, int start)
    {
        var header = new Header
        {
            ProtoId = Number(data, start + 2),
            BodyFormat = data[start + 6],
            Version = data[start + 7],
            Serial = Number(data, start + 8),
            BodyLength = Number(data, start + 12),
        };
        Array.Copy(data, start + 16, header.Sha1, 0, 20);
        Array.Copy(data, start + 36, header.Reserved, 0, 8);
        return header;
    }

    /// <summary>Refuses what begins with another magic; fewer than two bytes may still become one.</summary>
    internal static void CheckMagic(byte[] data, int start, int end)
    {
        if (end - start >= 2 && (data[start] != 'F' || data[start + 1] != 'T'))
            throw new WireException("a frame begins with FT");
    }

    // BitConverter would go by the machine's byte order.
    static uint Number(byte[] data, int at) =>
        data[at] | (uint)data[at + 1] << 8 | (uint)data[at + 2] << 16 | (uint)data[at + 3] << 24;

    static void PutNumber(byte[] data, int at, uint number)
    {
        for (var each = 0; each < 4; each++) data[at + each] = (byte)(number >> 8 * each);
    }
}

/// <summary>How bodies are encrypted once InitConnect is answered: key and IV are connAESKey and aesCBCiv of that answer.</summary>
class BodyCipher
{
    const int Block = 16;

    /// <summary>none, ftaes_ecb, aes_ecb or aes_cbc.</summary>
    public readonly string Name;
    readonly byte[] key;
    readonly byte[] iv;

    /// <param name="name">none, ftaes_ecb, aes_ecb or aes_cbc.</param>
    /// <param name="key">16 characters, each of them one byte.</param>
    /// <param name="iv">The same, of aes_cbc alone: every frame starts from it.</param>
    public BodyCipher(string name, string key, string iv)
    {
        Name = name;
        this.key = Encoding.ASCII.GetBytes(key ?? "");
        this.iv = Encoding.ASCII.GetBytes(iv ?? "");
    }

    /// <summary>Returns a body as it is sent.</summary>
    public byte[] Encrypt(byte[] body)
    {
        if (Name == "none") return body;
        var rest = body.Length % Block;
        if (Name == "ftaes_ecb")
        {
            // Padded with zeros; behind it a plain block, whose last byte is the body's length modulo 16.
            var zeros = new byte[(Block - rest) % Block];
            var tail = new byte[Block];
            tail[Block - 1] = (byte)rest;
            return Blocks(body.Concat(zeros).ToArray(), true).Concat(tail).ToArray();
        }
        var padding = Enumerable.Repeat((byte)(Block - rest), Block - rest); // PKCS#7
        return Blocks(body.Concat(padding).ToArray(), true);
    }

    /// <summary>Returns the plain body of what was received.</summary>
    public byte[] Decrypt(byte[] data)
    {
        if (Name == "none") return data;
        if (data.Length == 0 || data.Length % Block != 0)
            throw new WireException("AES bodies are whole blocks of 16 bytes, at least one");
        if (Name == "ftaes_ecb")
        {
            var rest = data[data.Length - 1];
            var padded = Blocks(First(data, data.Length - Block), false);
            if (rest == 0) return padded; // whole blocks, nothing to strip
            if (rest >= Block || padded.Length == 0) throw WrongPadding();
            return First(padded, padded.Length - Block + rest);
        }
        var body = Blocks(data, false);
        var count = body[body.Length - 1];
        if (count < 1 || count > Block || body.Skip(body.Length - count).Any(each => each != count)) throw WrongPadding();
        return First(body, body.Length - count);
    }

    byte[] Blocks(byte[] data, bool encrypt)
    {
        if (key.Length != Block) throw new WireException("an AES key has 16 bytes");
        if (Name == "aes_cbc" && iv.Length != Block) throw new WireException("an IV has 16 bytes");
        using (var aes = Aes.Create())
        {
            aes.Mode = Name == "aes_cbc" ? CipherMode.CBC : CipherMode.ECB;
            aes.Padding = PaddingMode.None;
            aes.Key = key;
            if (Name == "aes_cbc") aes.IV = iv;
            using (var transform = encrypt ? aes.CreateEncryptor() : aes.CreateDecryptor())
                return transform.TransformFinalBlock(data, 0, data.Length);
        }
    }

    static byte[] First(byte[] data, int count)
    {
        var first = new byte[count];
        Array.Copy(data, first, count);
        return first;
    }

    static WireException WrongPadding() => new WireException("the padding is wrong: another key, or another mode");
}

/// <summary>A header and its plain body.</summary>
class Frame
{
    public Header Header;
    /// <summary>Null where it could not be had: padding or digest were wrong.</summary>
    public byte[] Body;

    public static byte[] Sha1(byte[] data)
    {
        using (var sha1 = SHA1.Create()) return sha1.ComputeHash(data);
    }

    /// <summary>Returns a frame as it is sent. The SHA-1 is that of the plain body, the length that of the encrypted one.</summary>
    public static byte[] Encode(uint protoId, uint serial, byte bodyFormat, byte[] body, BodyCipher cipher)
    {
        var payload = cipher.Encrypt(body);
        var header = new Header
        {
            ProtoId = protoId, BodyFormat = bodyFormat, Serial = serial, BodyLength = (uint)payload.Length, Sha1 = Sha1(body),
        };
        return header.Encode().Concat(payload).ToArray();
    }

    /// <summary>Reads one whole frame, decrypts its body and checks its digest.</summary>
    public static Frame Decode(byte[] data, BodyCipher cipher)
    {
        var header = Header.Decode(data);
        if (data.Length - Header.Size != header.BodyLength)
            throw new WireException("the body is not as long as the header says");
        var payload = new byte[data.Length - Header.Size];
        Array.Copy(data, Header.Size, payload, 0, payload.Length);
        var body = cipher.Decrypt(payload);
        if (!Sha1(body).SequenceEqual(header.Sha1)) throw new WireException("the SHA-1 is not that of the plain body");
        return new Frame { Header = header, Body = body };
    }
}

/// <summary>Cuts what a socket gives, in whatever pieces, into frames.</summary>
class Decoder
{
    readonly BodyCipher cipher;
    readonly uint maxBody;
    byte[] kept = new byte[1024];
    int start, end;

    public Decoder(BodyCipher cipher, uint maxBody)
    {
        this.cipher = cipher;
        this.maxBody = maxBody;
    }

    /// <summary>Bytes that wait for the rest of their frame.</summary>
    public int Pending => end - start;

    /// <summary>
    /// Yields every frame that the data completes, without a body where it cannot be had: the stream goes on behind it.
    /// After a WireException nothing more can be read: close the connection.
    /// </summary>
    public IEnumerable<Frame> Feed(byte[] data)
    {
        Keep(data);
        for (;;)
        {
            Header.CheckMagic(kept, start, end);
            if (Pending < Header.Size) yield break;
            var header = Header.Decode(kept, start);
            if (header.BodyLength > maxBody) throw new WireException("the body is longer than allowed");
            var size = Header.Size + (long)header.BodyLength;
            if (Pending < size) yield break;
            var raw = new byte[size];
            Array.Copy(kept, start, raw, 0, size);
            start += (int)size;
            var frame = new Frame { Header = header };
            try
            {
                frame = Frame.Decode(raw, cipher);
            }
            catch (WireException)
            {
                // The header alone is handed out.
            }
            yield return frame;
        }
    }

    void Keep(byte[] data)
    {
        if (data.Length > kept.Length - end)
        {
            // Moved to the front of an array of twice the size, so that the cost stays linear.
            var larger = new byte[Math.Max(kept.Length, 2 * (Pending + data.Length))];
            Array.Copy(kept, start, larger, 0, Pending);
            kept = larger;
            end = Pending;
            start = 0;
        }
        data.CopyTo(kept, end);
        end += data.Length;
    }
}
