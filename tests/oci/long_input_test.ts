import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { parseDigest } from "../../src/oci/digest.ts";
import { parsePlatform, parsePlatforms } from "../../src/oci/platform.ts";
import { parseListedCollection, parseLoadTarget, parseStoreCollection } from "../../src/oci/collection.ts";
import { parseLocation } from "../../src/oci/location.ts";
import { cpuTime } from "../support/cpu_time.ts";

const LENGTH = 100_000;

/** Texts of 100,000 characters that make a careless pattern go back and forth. */
const HOSTILE = [
  "a",
  "-",
  "a-",
  "a--",
  "_",
  "a_",
  "a__",
  "a.",
  ".",
  "a.a-",
  "/",
  "a/",
  ":",
  "a:",
  "@",
  "a@",
  "0",
  "[",
  "[:",
  ":]",
  "+",
  "+a",
  "(+",
  "%",
  "%20",
  "a,",
  "v9.",
].flatMap((piece) => {
  const long = piece.repeat(LENGTH / piece.length);
  return [
    long,
    `${long}!`,
    `${long}/a`,
    `a${long}`,
    `s3://${long}`,
    `s3://bucket/${long}`,
    `local://${long}`,
    `local:///a//${long}`,
    `oci:${long}`,
    `docker-archive:a:${long}`,
    `docker-daemon:${long}`,
  ]
    .concat([
      `a@${long}`,
      `a:${long}`,
      `[${long}]/a`,
      `linux(${long}`,
      `linux(${long})/amd64`,
      `linux/${long}`,
      `sha256:${long}`,
    ]);
});

Deno.test(
  "no parser is slow on long hostile texts, nor throws anything but an ImageError",
  { permissions: "none" },
  () => {
    for (
      const parse of [
        parseLocation,
        parseStoreCollection,
        parseListedCollection,
        parseLoadTarget,
        parseDigest,
        parsePlatform,
        (text: string) => parsePlatforms([text]),
      ]
    ) {
      for (const text of HOSTILE) {
        const spentMs = cpuTime();
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof ImageError, `${text.slice(0, 40)}: ${error}`);
          assert.ok(error.message.length < 500, `${text.slice(0, 40)}: message of ${error.message.length} characters`);
        }
        const elapsedMs = spentMs();
        assert.ok(elapsedMs < 1000, `${parse.name} took ${elapsedMs} ms for ${text.slice(0, 40)}`);
      }
    }
  },
);
