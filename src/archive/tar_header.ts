/** Length of a tar header, and what all data is padded to. */
export const TAR_BLOCK_BYTES = 512;

/** Where in a header the fields lie that are read: [start, length]. Spec: POSIX.1-2017, pax, "ustar Interchange Format". */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const;

/** Largest size that eleven octal digits hold. */
const MAX_OCTAL_SIZE = 0o77777777777;

/** One header as it stands, before extensions (PAX, GNU) that stand ahead of it are applied. */
export interface TarHeader {
  readonly name: string;
  readonly linkName: string;
  /** The type flag: one character, `0` for a regular file whatever its spelling. */
  readonly type: string;
  readonly sizeBytes: number;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Reads a header block; undefined when it is all zeros.
 *
 * Throws a plain `Error` that says why it is no header.
 */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block[0] === 0 && block.every((byte) => byte === 0)) return undefined;
  checkSum(block);
  const isUstar = text(block, "magic") === "ustar" && block[FIELDS.magic[0] + 5] === 0;
  const prefix = isUstar ? text(block, "prefix") : "";
  const name = text(block, "name");
  const flag = block[FIELDS.type[0]] ?? 0;
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkName: text(block, "linkName"),
    type: flag === 0 || flag === 0x37 ? "0" : String.fromCharCode(flag),
    sizeBytes: parseNumber(block, "size"),
  };
}

/**
 * The header of a regular file, as many blocks as it takes: a PAX header goes ahead of it when the name or size does not
 * fit. Owner, time and mode are fixed, so that equal content gives equal bytes.
 */
export function tarHeaderBlocks(name: string, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const encoded = encoder.encode(name);
  const isLongName = encoded.byteLength > FIELDS.name[1];
  const records = [
    ...(isLongName ? [paxRecord("path", name)] : []),
    ...(sizeBytes > MAX_OCTAL_SIZE ? [paxRecord("size", String(sizeBytes))] : []),
  ].join("");
  const main = headerBlock(encoded.subarray(0, FIELDS.name[1]), sizeBytes > MAX_OCTAL_SIZE ? 0 : sizeBytes, "0");
  if (records === "") return main;
  const payload = encoder.encode(records);
  const pax = headerBlock(encoder.encode("PaxHeader"), payload.byteLength, "x");
  const bytes = new Uint8Array(2 * TAR_BLOCK_BYTES + payload.byteLength + tarPadding(payload.byteLength));
  bytes.set(pax);
  bytes.set(payload, TAR_BLOCK_BYTES);
  bytes.set(main, bytes.byteLength - TAR_BLOCK_BYTES);
  return bytes;
}

/** How many zero bytes follow data of this length. */
export function tarPadding(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - sizeBytes % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
}

/**
 * The records of a PAX header: key and value, later ones win.
 *
 * Throws a plain `Error` that says what is wrong. Spec: POSIX.1-2017, pax, "pax Extended Header".
 */
export function parsePaxRecords(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let position = 0; position < bytes.byteLength;) {
    const space = bytes.indexOf(0x20, position);
    const digits = space < 0 ? "" : decoder.decode(bytes.subarray(position, space));
    const length = /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : 0;
    const end = position + length;
    const equals = bytes.indexOf(0x3d, space);
    if (length === 0 || end > bytes.byteLength || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end - 1) {
      throw new Error("a PAX header is malformed");
    }
    records.set(decoder.decode(bytes.subarray(space + 1, equals)), decoder.decode(bytes.subarray(equals + 1, end - 1)));
    position = end;
  }
  return records;
}

function headerBlock(name: Uint8Array, sizeBytes: number, type: string): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(TAR_BLOCK_BYTES);
  const put = (field: keyof typeof FIELDS, value: string) => block.set(encoder.encode(value), FIELDS[field][0]);
  block.set(name);
  put("mode", "0000644\0");
  put("uid", "0000000\0");
  put("gid", "0000000\0");
  put("size", `${sizeBytes.toString(8).padStart(11, "0")}\0`);
  put("mtime", "00000000000\0");
  put("checksum", "        ");
  put("type", type);
  put("magic", "ustar\0");
  put("version", "00");
  put("checksum", `${sum(block).toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** A record's length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).byteLength;
  let length = rest + String(rest).length;
  if (rest + String(length).length > length) length++;
  return `${length} ${key}=${value}\n`;
}

/** The sum of all bytes, those of the checksum itself counted as spaces. */
function sum(block: Uint8Array): number {
  const [start, length] = FIELDS.checksum;
  let total = 0x20 * length;
  for (let index = 0; index < TAR_BLOCK_BYTES; index++) total += block[index]!;
  for (let index = start; index < start + length; index++) total -= block[index]!;
  return total;
}

function checkSum(block: Uint8Array): void {
  const wanted = parseNumber(block, "checksum");
  if (wanted === sum(block)) return;
  // Old writers summed signed bytes.
  const [start, length] = FIELDS.checksum;
  const high = block.reduce(
    (count, byte, at) => count + (byte > 127 && (at < start || at >= start + length) ? 1 : 0),
    0,
  );
  if (wanted !== sum(block) - 256 * high) throw new Error("a header's checksum is wrong");
}

function text(block: Uint8Array, field: keyof typeof FIELDS): string {
  const [start, length] = FIELDS[field];
  if (block[start] === 0) return "";
  const end = block.indexOf(0, start);
  return decoder.decode(block.subarray(start, end < 0 ? start + length : Math.min(end, start + length)));
}

/** A number in octal digits, or in GNU's base 256 where the first bit is set. */
function parseNumber(block: Uint8Array, field: "size" | "checksum"): number {
  const [start, length] = FIELDS[field];
  const first = block[start] ?? 0;
  if (first < 0x80) return parseOctal(block, field);
  let value = first & 0x7f;
  for (let index = start + 1; index < start + length; index++) value = value * 256 + block[index]!;
  // 0xff begins a negative number, which a size never is.
  if (first === 0xff || !Number.isSafeInteger(value)) throw new Error(`a header's ${field} is out of range`);
  return value;
}

/** Octal digits with spaces before them, ended by a space, a zero byte or the end of the field. */
function parseOctal(block: Uint8Array, field: "size" | "checksum"): number {
  const [start, length] = FIELDS[field];
  let value = 0;
  let at = start;
  while (at < start + length && block[at] === 0x20) at++;
  for (; at < start + length; at++) {
    const byte = block[at]!;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw new Error(`a header's ${field} is not a number`);
    value = value * 8 + byte - 0x30;
  }
  return value;
}
