/**
 * The smallest programs that a kernel runs: ELF files of a few hundred bytes, assembled by hand, which write one line
 * to standard output and exit with 0. They need no library and no interpreter, so an image of one layer runs them.
 */

const BASE = 0x400000;
const SEGMENT_ALIGNMENT = 0x10000; // the largest page size among the platforms

/** How one processor's program is written down. `code` gets the address of the text and its length in bytes. */
interface Machine {
  readonly elfMachine: number;
  readonly bits: 32 | 64;
  readonly bigEndian?: boolean;
  readonly flags?: number;
  code(address: number, length: number): number[];
}

/** 32-bit words as little-endian bytes. */
function words(...values: number[]): number[] {
  return values.flatMap((value) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]);
}

const MACHINES: Readonly<Record<string, Machine>> = {
  "linux/amd64": {
    elfMachine: 62,
    bits: 64,
    code: (address, length) => [
      ...[0xb8, ...words(1), 0xbf, ...words(1)], // mov eax, write; mov edi, stdout
      ...[0xbe, ...words(address), 0xba, ...words(length)], // mov esi, text; mov edx, length
      ...[0x0f, 0x05], // syscall
      ...[0xb8, ...words(60), 0x31, 0xff], // mov eax, exit; xor edi, edi
      ...[0x0f, 0x05], // syscall
    ],
  },
  "linux/386": {
    elfMachine: 3,
    bits: 32,
    code: (address, length) => [
      ...[0xb8, ...words(4), 0xbb, ...words(1)], // mov eax, write; mov ebx, stdout
      ...[0xb9, ...words(address), 0xba, ...words(length)], // mov ecx, text; mov edx, length
      ...[0xcd, 0x80], // int 0x80
      ...[0xb8, ...words(1), 0x31, 0xdb], // mov eax, exit; xor ebx, ebx
      ...[0xcd, 0x80], // int 0x80
    ],
  },
  "linux/arm64": {
    elfMachine: 183,
    bits: 64,
    code: (_, length) =>
      words(
        0xd2800808, // mov x8, write
        0xd2800020, // mov x0, stdout
        0x100000c1, // adr x1, text (24 bytes ahead)
        0xd2800002 | (length << 5), // mov x2, length
        0xd4000001, // svc 0
        0xd2800ba8, // mov x8, exit
        0xd2800000, // mov x0, 0
        0xd4000001, // svc 0
      ),
  },
  "linux/arm/v7": {
    elfMachine: 40,
    bits: 32,
    flags: 0x05000000, // EABI 5
    code: (_, length) =>
      words(
        0xe3a07004, // mov r7, write
        0xe3a00001, // mov r0, stdout
        0xe28f1010, // add r1, pc, 16: the text
        0xe3a02000 | length, // mov r2, length
        0xef000000, // svc 0
        0xe3a07001, // mov r7, exit
        0xe3a00000, // mov r0, 0
        0xef000000, // svc 0
      ),
  },
  "linux/ppc64le": {
    elfMachine: 21,
    bits: 64,
    flags: 2, // ELF version 2 of the ABI: the entry point is code, not a descriptor
    code: (address, length) =>
      words(
        0x38000004, // li r0, write
        0x38600001, // li r3, stdout
        0x3c800000 | (address >>> 16), // lis r4, upper half of the text's address
        0x60840000 | (address & 0xffff), // ori r4, r4, lower half
        0x38a00000 | length, // li r5, length
        0x44000002, // sc
        0x38000001, // li r0, exit
        0x38600000, // li r3, 0
        0x44000002, // sc
      ),
  },
  "linux/riscv64": {
    elfMachine: 243,
    bits: 64,
    code: (_, length) =>
      words(
        0x04000893, // li a7, write
        0x00100513, // li a0, stdout
        0x00000597, // auipc a1, 0
        0x01c58593, // addi a1, a1, 28: the text
        0x00000613 | (length << 20), // li a2, length
        0x00000073, // ecall
        0x05d00893, // li a7, exit
        0x00000513, // li a0, 0
        0x00000073, // ecall
      ),
  },
  "linux/s390x": {
    elfMachine: 22,
    bits: 64,
    bigEndian: true,
    code: (_, length) => [
      ...[0xa7, 0x29, 0, 1], // lghi %r2, stdout
      ...[0xc0, 0x30, 0, 0, 0, 9], // larl %r3, text: 9 halfwords ahead
      ...[0xa7, 0x49, 0, length], // lghi %r4, length
      ...[0x0a, 4], // svc write
      ...[0xa7, 0x29, 0, 0], // lghi %r2, 0
      ...[0x0a, 1], // svc exit
    ],
  },
};

/** The platforms there is a program for, as `os/architecture[/variant]`. */
export const HELLO_PLATFORMS: readonly string[] = Object.keys(MACHINES);

/** The line that a platform's program prints, with its newline. */
export function helloText(platform: string): string {
  return `Hello from s3lo on ${platform}\n`;
}

/** The executable of one of `HELLO_PLATFORMS`; always the same bytes. */
export function helloElf(platform: string): Uint8Array<ArrayBuffer> {
  const machine = MACHINES[platform];
  if (machine === undefined) throw new RangeError(`Cannot assemble a program for platform "${platform}"`);
  const text = new TextEncoder().encode(helloText(platform));
  const headerBytes = machine.bits === 64 ? 64 + 56 : 52 + 32;
  const codeBytes = machine.code(0, text.length).length;
  const code = machine.code(BASE + headerBytes + codeBytes, text.length);
  const file = new Uint8Array(headerBytes + codeBytes + text.length);
  writeHeaders(new DataView(file.buffer), machine, file.length);
  file.set(code, headerBytes);
  file.set(text, headerBytes + codeBytes);
  return file;
}

/** The ELF header and one program header that loads the whole file, readable and executable. */
function writeHeaders(view: DataView, machine: Machine, fileBytes: number): void {
  const wide = machine.bits === 64;
  const little = !machine.bigEndian;
  const elfHeaderBytes = wide ? 64 : 52;
  const programHeaderBytes = wide ? 56 : 32;
  let at = 0;
  const byte = (...values: number[]) => values.forEach((value) => view.setUint8(at++, value));
  const half = (value: number) => (view.setUint16(at, value, little), at += 2);
  const word = (value: number) => (view.setUint32(at, value, little), at += 4);
  const native = (value: number) => wide ? (view.setBigUint64(at, BigInt(value), little), at += 8) : word(value);

  byte(0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1); // magic, class, byte order, version
  at = 16;
  half(2); // an executable
  half(machine.elfMachine);
  word(1); // version
  native(BASE + elfHeaderBytes + programHeaderBytes); // entry point
  native(elfHeaderBytes); // where the program header is
  native(0); // no section headers
  word(machine.flags ?? 0);
  [elfHeaderBytes, programHeaderBytes, 1, 0, 0, 0].forEach(half);

  word(1); // a segment to load
  if (wide) word(5); // readable, executable
  [0, BASE, BASE, fileBytes, fileBytes].forEach(native); // offset, addresses, sizes in file and memory
  if (!wide) word(5);
  native(SEGMENT_ALIGNMENT);
}
