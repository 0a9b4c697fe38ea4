import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.function.BiConsumer;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** Frames of OpenD: header, digest, AES, and cutting a stream into frames. */
final class OpenD {
    /** The header in front of every body, in bytes. */
    static final int HEADER_SIZE = 44;
    private static final int BLOCK = 16;

    private OpenD() {}

    /** Bytes that are no frame, or not under this cipher. */
    static final class WireException extends Exception {
        private static final long serialVersionUID = 1;

        WireException(String message) {
            super(message);
        }
    }

    static byte[] sha1(byte[] data) {
        try {
            return MessageDigest.getInstance("SHA-1").digest(data);
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error); // every Java has it
        }
    }

    /**
     * What stands in front of every body: 44 bytes, packed, numbers little-endian. Numbers of 32 bits are unsigned.
     *
     * @param bodyFormat 0 protobuf, 1 JSON
     * @param serial a reply repeats that of its request
     * @param bodyLength of the body as it is sent: encrypted, if it is
     */
    record Header(
            long protoId, int bodyFormat, int version, long serial, long bodyLength, byte[] sha1, byte[] reserved) {
        byte[] encode() {
            return ByteBuffer.allocate(HEADER_SIZE).order(ByteOrder.LITTLE_ENDIAN)
                    .put((byte) 'F').put((byte) 'T')
                    .putInt((int) protoId)
                    .put((byte) bodyFormat).put((byte) version)
                    .putInt((int) serial)
                    .putInt((int) bodyLength)
                    .put(sha1).put(reserved)
                    .array();
        }

        /** Reads a header; the data may be longer. */
        static Header decode(byte[] data) throws WireException {
            checkMagic(data, 0, data.length);
            if (data.length < HEADER_SIZE) throw new WireException("a header has 44 bytes");
            return decode(data, 0);
        }

        private static Header decode(byte[] data, int start) {
            ByteBuffer from = ByteBuffer.wrap(data, start, HEADER_SIZE).slice().order(ByteOrder.LITTLE_ENDIAN);
            return new Header(
                    Integer.toUnsignedLong(from.getInt(2)),
                    Byte.toUnsignedInt(from.get(6)),
                    Byte.toUnsignedInt(from.get(7)),
                    Integer.toUnsignedLong(from.getInt(8)),
                    Integer.toUnsignedLong(from.getInt(12)),
                    Arrays.copyOfRange(data, start + 16, start + 36),
                    Arrays.copyOfRange(data, start + 36, start + 44));
        }
    }

    /** Refuses what begins with another magic; fewer than two bytes may still become one. */
    private static void checkMagic(byte[] data, int start, int end) throws WireException {
        if (end - start >= 2 && (data[start] != 'F' || data[start + 1] != 'T')) {
            throw new WireException("a frame begins with FT");
        }
    }

    /**
     * How bodies are encrypted once InitConnect is answered: key and IV are connAESKey and aesCBCiv of that answer.
     *
     * @param name none, ftaes_ecb, aes_ecb or aes_cbc
     * @param key 16 characters, each of them one byte
     * @param iv the same, of aes_cbc alone: every frame starts from it
     */
    record Encryption(String name, String key, String iv) {
        /** Returns a body as it is sent. */
        byte[] encrypt(byte[] body) throws WireException {
            if (name.equals("none")) return body;
            int rest = body.length % BLOCK;
            if (name.equals("ftaes_ecb")) {
                // Padded with zeros; behind it a plain block, whose last byte is the body's length modulo 16.
                byte[] payload = blocks(Arrays.copyOf(body, body.length + (BLOCK - rest) % BLOCK), Cipher.ENCRYPT_MODE);
                byte[] withTail = Arrays.copyOf(payload, payload.length + BLOCK);
                withTail[withTail.length - 1] = (byte) rest;
                return withTail;
            }
            byte[] padded = Arrays.copyOf(body, body.length + BLOCK - rest); // PKCS#7
            Arrays.fill(padded, body.length, padded.length, (byte) (BLOCK - rest));
            return blocks(padded, Cipher.ENCRYPT_MODE);
        }

        /** Returns the plain body of what was received. */
        byte[] decrypt(byte[] data) throws WireException {
            if (name.equals("none")) return data;
            if (data.length == 0 || data.length % BLOCK != 0) {
                throw new WireException("AES bodies are whole blocks of 16 bytes, at least one");
            }
            if (name.equals("ftaes_ecb")) {
                int rest = Byte.toUnsignedInt(data[data.length - 1]);
                byte[] body = blocks(Arrays.copyOf(data, data.length - BLOCK), Cipher.DECRYPT_MODE);
                if (rest == 0) return body; // whole blocks, nothing to strip
                if (rest >= BLOCK || body.length == 0) throw wrongPadding();
                return Arrays.copyOf(body, body.length - BLOCK + rest);
            }
            byte[] body = blocks(data, Cipher.DECRYPT_MODE);
            int count = Byte.toUnsignedInt(body[body.length - 1]);
            if (count < 1 || count > BLOCK) throw wrongPadding();
            for (int at = body.length - count; at < body.length; at++) {
                if (body[at] != count) throw wrongPadding();
            }
            return Arrays.copyOf(body, body.length - count);
        }

        private byte[] blocks(byte[] data, int mode) throws WireException {
            try {
                SecretKeySpec secret = new SecretKeySpec(key.getBytes(StandardCharsets.ISO_8859_1), "AES");
                Cipher aes;
                if (name.equals("aes_cbc")) {
                    aes = Cipher.getInstance("AES/CBC/NoPadding");
                    aes.init(mode, secret, new IvParameterSpec(iv.getBytes(StandardCharsets.ISO_8859_1)));
                } else {
                    aes = Cipher.getInstance("AES/ECB/NoPadding");
                    aes.init(mode, secret);
                }
                return aes.doFinal(data);
            } catch (GeneralSecurityException error) {
                throw new WireException(error.getMessage());
            }
        }

        private static WireException wrongPadding() {
            return new WireException("the padding is wrong: another key, or another mode");
        }
    }

    /** A header and its plain body. */
    record Frame(Header header, byte[] body) {
        /** Returns a frame as it is sent. The SHA-1 is that of the plain body, the length that of the encrypted one. */
        static byte[] encode(long protoId, long serial, int bodyFormat, byte[] body, Encryption encryption)
                throws WireException {
            byte[] payload = encryption.encrypt(body);
            Header header = new Header(protoId, bodyFormat, 0, serial, payload.length, sha1(body), new byte[8]);
            return ByteBuffer.allocate(HEADER_SIZE + payload.length).put(header.encode()).put(payload).array();
        }

        /** Reads one whole frame, decrypts its body and checks its digest. */
        static Frame decode(byte[] data, Encryption encryption) throws WireException {
            Header header = Header.decode(data);
            if (data.length - HEADER_SIZE != header.bodyLength) {
                throw new WireException("the body is not as long as the header says");
            }
            byte[] body = encryption.decrypt(Arrays.copyOfRange(data, HEADER_SIZE, data.length));
            if (!Arrays.equals(sha1(body), header.sha1)) {
                throw new WireException("the SHA-1 is not that of the plain body");
            }
            return new Frame(header, body);
        }
    }

    /** Cuts what a socket gives, in whatever pieces, into frames. */
    static final class Decoder {
        private final Encryption encryption;
        private final long maxBody;
        private byte[] kept = new byte[1024];
        private int start = 0;
        private int end = 0;

        Decoder(Encryption encryption, long maxBody) {
            this.encryption = encryption;
            this.maxBody = maxBody;
        }

        /** Returns how many bytes wait for the rest of their frame. */
        int pending() {
            return end - start;
        }

        /**
         * Hands every frame that the data completes to {@code found}; a header and null for one whose body cannot be
         * had: the stream goes on behind it. After a WireException nothing more can be read: close the connection.
         */
        void feed(byte[] data, BiConsumer<Header, byte[]> found) throws WireException {
            keep(data);
            for (;;) {
                checkMagic(kept, start, end);
                if (pending() < HEADER_SIZE) return;
                Header header = Header.decode(kept, start);
                if (header.bodyLength > maxBody) throw new WireException("the body is longer than allowed");
                long size = HEADER_SIZE + header.bodyLength;
                if (pending() < size) return;
                byte[] raw = Arrays.copyOfRange(kept, start, start + (int) size);
                start += (int) size;
                byte[] body = null;
                try {
                    body = Frame.decode(raw, encryption).body;
                } catch (WireException damaged) {
                    // The header alone is handed out.
                }
                found.accept(header, body);
            }
        }

        private void keep(byte[] data) {
            if (data.length > kept.length - end) {
                // Moved to the front of an array of twice the size, so that the cost stays linear.
                byte[] larger = new byte[Math.max(kept.length, 2 * (pending() + data.length))];
                System.arraycopy(kept, start, larger, 0, pending());
                kept = larger;
                end = pending();
                start = 0;
            }
            System.arraycopy(data, 0, kept, end, data.length);
            end += data.length;
        }
    }
}
