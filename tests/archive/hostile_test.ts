/** Archives that lie, lead astray, or are only unusual: the good load, the bad give one clear error. */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openArchiveFile } from "../../src/archive/archive_file.ts";
import { openDockerArchiveImage } from "../../src/archive/docker_archive_reader.ts";
import { parseTarHeader, tarHeaderBlocks } from "../../src/archive/tar_header.ts";
import { type ErrorCode, isImageError } from "../../src/errors.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { Random, tarOf } from "../support/images.ts";
import { checkWhole, contentOf, FILES, type RawEntry, rawEntry, rawTar, temporaryFolder } from "./support.ts";
import { concat } from "../support/concat.ts";

const encoder = new TextEncoder();
const layer = tarOf("file", new Random(1).bytes(20_000));
const config = encoder.encode(JSON.stringify({
  os: "linux",
  architecture: "amd64",
  rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
}));
const id = hexOf(digestOf(config));

/** A good archive of three files. */
const layerFile: RawEntry = { name: "layer.tar", content: layer };
const configFile: RawEntry = { name: `${id}.json`, content: config };
const listFile = (file = "layer.tar"): RawEntry => ({
  name: "manifest.json",
  content: JSON.stringify([{ Config: `${id}.json`, RepoTags: ["app:v1"], Layers: [file] }]),
});
const good: readonly RawEntry[] = [layerFile, configFile, listFile()];

function pax(records: Readonly<Record<string, string>>, type = "x"): RawEntry {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = encoder.encode(` ${key}=${value}\n`).byteLength;
    let length = rest + 1;
    while (String(length).length + rest !== length) length++;
    return `${length} ${key}=${value}\n`;
  }).join("");
  return { name: "pax", type, content };
}

async function load(bytes: Uint8Array): Promise<string> {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/in.tar`;
  await Deno.writeFile(path, bytes);
  await using files = await openArchiveFile(path);
  await using image = await openDockerArchiveImage(files, undefined, { compression: "gzip" });
  await checkWhole(image);
  return image.root.descriptor.digest;
}

async function refuses(bytes: Uint8Array, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(load(bytes), (error) => {
    assert.ok(isImageError(error, code), `${error}`);
    assert.match(error.message, message);
    assert.ok(!/[\p{Cc}]/u.test(error.message), "control characters in a message");
    return true;
  });
}

Deno.test({
  name: "openArchiveFile() reads every honest way to write the same archive",
  permissions: FILES,
  async fn() {
    const wanted = await load(rawTar(good));
    const longName = `${"deep/".repeat(60)}layer.tar`;
    const size256 = new Uint8Array(12);
    size256[0] = 0x80;
    new DataView(size256.buffer).setUint32(8, layer.byteLength);
    const shapes: Record<string, Uint8Array> = {
      "dot names": rawTar([{ ...layerFile, name: "./layer.tar" }, configFile, listFile("././layer.tar")]),
      "folders, devices and empty names": rawTar([
        { name: "./", type: "5" },
        { name: "dir/", type: "0" },
        { name: "null", type: "3" },
        { name: "pipe", type: "6" },
        ...good,
      ]),
      "old format": rawTar(good.map((entry) => ({ ...entry, magic: "" }))),
      "GNU format": rawTar(good.map((entry) => ({ ...entry, magic: "ustar  \0" }))),
      "PAX name": rawTar([pax({ path: longName, comment: "x=y\nz" }), layerFile, configFile, listFile(longName)]),
      "PAX size": rawTar([
        pax({ size: String(layer.byteLength) }),
        { ...layerFile, sizeBytes: 0 },
        configFile,
        listFile(),
      ]),
      "PAX comment for all": rawTar([pax({ comment: "made by hand" }, "g"), ...good]),
      "GNU long name": rawTar([
        { name: "././@LongLink", type: "L", content: `${longName}\0` },
        layerFile,
        configFile,
        listFile(longName),
      ]),
      "size in base 256": rawTar([{ ...layerFile, sizeField: size256 }, configFile, listFile()]),
      "the same file twice": rawTar([layerFile, ...good, configFile]),
      "symlink": rawTar([
        { name: "a/b/link", type: "2", linkName: "../../layer.tar" },
        ...good.slice(0, 2),
        listFile("a/b/link"),
      ]),
      "hard link to a symlink": rawTar([
        { name: "one", type: "2", linkName: "layer.tar" },
        { name: "two", type: "1", linkName: "./one" },
        ...good.slice(0, 2),
        listFile("two"),
      ]),
      "long link": rawTar([
        { name: "././@LongLink", type: "K", content: `${"./".repeat(80)}layer.tar\0` },
        { name: "link", type: "2" },
        ...good.slice(0, 2),
        listFile("link"),
      ]),
      "no end mark": rawTar(good, 0),
      "half an end mark": rawTar(good, 512),
      "padding after the end": concat([rawTar(good), new Uint8Array(20_480)]),
      "gzip": gzipSync(rawTar(good)),
      "several zstd frames": concat([
        zstdCompressSync(rawTar(good).subarray(0, 5000)),
        zstdCompressSync(rawTar(good).subarray(5000)),
      ]),
    };
    for (const [shape, bytes] of Object.entries(shapes)) assert.equal(await load(bytes), wanted, shape);
  },
});

Deno.test({
  name: "openArchiveFile() refuses archives that lead out of themselves, contradict themselves or lie about sizes",
  permissions: FILES,
  async fn() {
    const negative = new Uint8Array(12).fill(0xff);
    const huge = new Uint8Array(12).fill(0x7f);
    huge[0] = 0x80;
    const bad: [string, Uint8Array, ErrorCode, RegExp][] = [
      ["traversal", rawTar([{ name: "../x", content: "x" }, ...good]), "invalid-input", /"\.\.\/x" leads out/],
      ["deep traversal", rawTar([{ name: "a/../../x" }, ...good]), "invalid-input", /leads out/],
      ["folder traversal", rawTar([{ name: "../../", type: "5" }, ...good]), "invalid-input", /leads out/],
      ["absolute", rawTar([{ name: "/etc/passwd", content: "x" }, ...good]), "invalid-input", /absolute/],
      ["PAX traversal", rawTar([pax({ path: "../x" }), ...good]), "invalid-input", /leads out/],
      [
        "symlink out",
        rawTar([{ name: "l", type: "2", linkName: "../../etc/passwd" }, ...good]),
        "invalid-input",
        /link "l" leads out/,
      ],
      [
        "absolute symlink",
        rawTar([{ name: "l", type: "2", linkName: "/etc/passwd" }, ...good]),
        "invalid-input",
        /leads out/,
      ],
      [
        "hard link out",
        rawTar([{ name: "l", type: "1", linkName: "/etc/passwd" }, ...good]),
        "invalid-input",
        /absolute/,
      ],
      [
        "circle",
        rawTar([
          { name: "a", type: "2", linkName: "b" },
          { name: "b", type: "2", linkName: "a" },
          configFile,
          listFile("a"),
        ]),
        "invalid-input",
        /circles/,
      ],
      [
        "dangling",
        rawTar([{ name: "a", type: "2", linkName: "b" }, configFile, listFile("a")]),
        "not-found",
        /not there/,
      ],
      [
        "twice",
        rawTar([...good, { name: "./layer.tar", content: tarOf("x", new Uint8Array(20_000)) }]),
        "invalid-input",
        /twice/,
      ],
      [
        "twice, as link",
        rawTar([...good, { name: "layer.tar", type: "2", linkName: `${id}.json` }]),
        "invalid-input",
        /twice/,
      ],
      ["two lists", rawTar([...good, listFile("other")]), "invalid-input", /"manifest.json" is there twice/],
      ["sparse", rawTar([{ ...layerFile, type: "S" }, ...good.slice(1)]), "unsupported", /sparse/],
      ["PAX sparse", rawTar([pax({ "GNU.sparse.major": "1" }), ...good]), "unsupported", /sparse/],
      ["size too large", rawTar([...good.slice(1), { ...layerFile, sizeBytes: 1 << 30 }]), "invalid-input", /cut off/],
      ["negative size", rawTar([{ ...layerFile, sizeField: negative }]), "invalid-input", /out of range/],
      ["endless size", rawTar([{ ...layerFile, sizeField: huge }]), "invalid-input", /out of range/],
      [
        "size of letters",
        rawTar([{ ...layerFile, sizeField: encoder.encode("hello\0") }]),
        "invalid-input",
        /not a number/,
      ],
      ["PAX size of letters", rawTar([pax({ size: "-1" }), ...good]), "invalid-input", /not a number/],
      ["PAX size too large", rawTar([pax({ size: "99999999999" }), ...good]), "invalid-input", /cut off/],
      ["PAX size for all", rawTar([pax({ size: "1" }, "g"), ...good]), "invalid-input", /global/],
      [
        "broken PAX",
        rawTar([{ name: "pax", type: "x", content: "999 path=x\n" }, ...good]),
        "invalid-input",
        /malformed/,
      ],
      ["PAX at the end", rawTar([...good, pax({ path: "x" })], 0), "invalid-input", /cut off/],
      [
        "long PAX",
        rawTar([{ name: "pax", type: "x", content: new Uint8Array(2 << 20) }, ...good]),
        "invalid-input",
        /too long/,
      ],
      ["long name", rawTar([pax({ path: "x".repeat(5000) }), ...good]), "invalid-input", /too long/],
      ["control characters", rawTar([{ name: "../\u001b[31m" }, ...good]), "invalid-input", /leads out/],
      ["hole", rawTar([layerFile, new Uint8Array(512), configFile, listFile()]), "invalid-input", /empty header/],
      ["smaller size", rawTar([{ ...layerFile, sizeBytes: 512 }, configFile, listFile()]), "invalid-input", /./],
      ["empty", new Uint8Array(0), "invalid-input", /empty/],
      ["zeros", new Uint8Array(10_240), "invalid-input", /./],
      ["text", encoder.encode("hello, I am no archive ".repeat(100)), "invalid-input", /./],
      ["xz", new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]), "unsupported", /xz/],
      ["bzip2", encoder.encode("BZh91AY&SY"), "unsupported", /bzip2/],
      ["cut gzip", gzipSync(rawTar(good)).subarray(0, -20), "invalid-input", /decompress/],
    ];
    for (const [shape, bytes, code, message] of bad) {
      await refuses(bytes, code, message).catch((cause) => {
        throw new Error(`${shape}: ${cause}`, { cause });
      });
    }
  },
});

Deno.test({
  name: "openArchiveFile() notices an archive that was cut off anywhere",
  permissions: FILES,
  async fn() {
    const whole = rawTar(good);
    // What follows the last byte of the last file says nothing.
    const end = whole.findLastIndex((byte) => byte !== 0) + 1;
    const wanted = await load(whole);
    for (let length = 0; length < end; length += 487) {
      await assert.rejects(load(whole.subarray(0, length)), (error) => isImageError(error));
    }
    assert.equal(await load(whole.subarray(0, end)), wanted);
  },
});

Deno.test({
  name: "openArchiveFile() leaves no temporary file, also when it fails",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    await using spools = await temporaryFolder();
    const count = async () => (await Array.fromAsync(Deno.readDir(spools.path))).length;
    const path = `${folder.path}/in.tar.gz`;
    const options = { temporaryFolder: spools.path };
    await Deno.writeFile(path, gzipSync(rawTar(good)));
    {
      await using files = await openArchiveFile(path, options);
      await using image = await openDockerArchiveImage(files, undefined, options);
      await checkWhole(image);
    }
    assert.equal(await count(), 0);
    await Deno.writeFile(path, gzipSync(rawTar(good)).subarray(0, -9));
    await assert.rejects(openArchiveFile(path, options));
    await assert.rejects(
      openArchiveFile(path, { temporaryFolder: `${spools.path}/missing` }),
      (error) => isImageError(error, "denied") && /TMPDIR/.test(error.hint ?? ""),
    );
    assert.equal(await count(), 0);
  },
});

Deno.test({
  name: "openArchiveFile() finds an image among a great many tiny entries",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/tiny.tar`;
    const count = 100_000;
    using file = await Deno.open(path, { write: true, createNew: true });
    const writer = file.writable.getWriter();
    for (let index = 0; index < count; index += 1000) {
      await writer.write(
        rawTar(Array.from({ length: 1000 }, (_, at) => ({ name: `tiny/${index + at}`, content: "x" })), 0),
      );
    }
    await writer.write(rawTar(good));
    await writer.close();
    await using files = await openArchiveFile(path);
    assert.deepEqual(await contentOf(files.open("tiny/77777")), encoder.encode("x"));
    await using image = await openDockerArchiveImage(files, undefined, { compression: "gzip" });
    assert.equal(image.root.descriptor.digest, await load(rawTar(good)));
  },
});

Deno.test({
  name: "openArchiveFile() gives an archive or an ImageError for any bytes",
  permissions: FILES,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/fuzz.tar`;
    const seed = Date.now() % 1_000_000;
    const random = new Random(seed);
    const base = rawTar([pax({ path: "layer.tar" }), ...good, { name: "l", type: "2", linkName: "layer.tar" }]);
    // Headers are where damage counts.
    const places = [0, 1024, 1536, base.byteLength - 2048].flatMap((
      at,
    ) => [at, at + 100, at + 124, at + 148, at + 156]);
    for (let round = 0; round < 400; round++) {
      const bytes = base.slice(0, random.next(8) === 0 ? random.next(base.byteLength) : base.byteLength);
      for (let change = random.next(6); change >= 0; change--) {
        const near = places[random.next(places.length)]! + random.next(24);
        bytes[random.next(3) === 0 ? random.next(base.byteLength) : near] = random.next(256);
      }
      // Half of them with checksums that are right again, so that what lies behind is reached.
      if (random.next(2) === 0) { for (let at = 0; at + 512 <= bytes.byteLength; at += 512) repairChecksum(bytes, at); }
      await Deno.writeFile(path, bytes);
      try {
        await using files = await openArchiveFile(path);
        await using image = await openDockerArchiveImage(files, undefined, { compression: "none" });
        await checkWhole(image);
      } catch (error) {
        assert.ok(isImageError(error), `seed ${seed}, round ${round}: ${error}`);
      }
    }
  },
});

function repairChecksum(bytes: Uint8Array, at: number): void {
  const block = bytes.subarray(at, at + 512);
  if (new TextDecoder().decode(block.subarray(257, 262)) !== "ustar") return;
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(encoder.encode(sum.toString(8).padStart(6, "0") + "\0 "), 148);
}

Deno.test({
  name: "tarHeaderBlocks() writes what parseTarHeader() and other tools read, for names and sizes of any length",
  permissions: "none",
  fn() {
    const short = tarHeaderBlocks("blobs/sha256/abc", 8 ** 11 - 1);
    assert.equal(short.byteLength, 512);
    assert.deepEqual(parseTarHeader(short), {
      name: "blobs/sha256/abc",
      linkName: "",
      type: "0",
      sizeBytes: 8 ** 11 - 1,
    });
    const name = `${"é".repeat(60)}.tar`;
    const long = tarHeaderBlocks(name, 9 * 1024 ** 3);
    assert.equal(long.byteLength, 1536);
    assert.equal(parseTarHeader(long.subarray(0, 512))?.type, "x");
    const records = new TextDecoder().decode(long.subarray(512, 1024)).replaceAll("\0", "");
    assert.equal(records, `${encoder.encode(records).indexOf(10) + 1} path=${name}\n19 size=9663676416\n`);
    assert.throws(
      () => parseTarHeader(rawEntry({ name: "x" }).map((byte, at) => at === 3 ? byte + 1 : byte)),
      /checksum/,
    );
  },
});
