import { ImageError } from "../errors.ts";
import type { SideOptions } from "../transports/sides.ts";
import type { OptionValues } from "./command.ts";
import { whenReady } from "./standard_streams.ts";

/** Longest text with passwords or tokens that is read from stdin, in bytes. */
const MAX_PASSWORD_BYTES = 64 * 1024;

/** User name and password. */
type Given = SideOptions["credentials"];

/** Credentials that the command line and the environment give. */
export interface GivenCredentials {
  /** For the only registry of a command. */
  readonly both: Given;
  readonly source: Given;
  readonly target: Given;
}

/** What is asked for, and where it is read. */
export interface GivenFrom {
  /** Whether the command has a source and a target; otherwise only what holds for its one registry is read. */
  readonly hasSides?: boolean;
  readonly env?: (name: string) => string | undefined;
  readonly stdin?: () => Promise<string>;
}

/** The three places that credentials may be given for, in the order of their lines on stdin. */
const KINDS = [
  { key: "source", prefix: "src-" },
  { key: "target", prefix: "dst-" },
  { key: "both", prefix: "" },
] as const;

/**
 * Puts user names and passwords together. A password never stands among the arguments, where everybody on the machine could
 * read it: it comes from stdin, or from the environment (`S3LO_PASSWORD`, `S3LO_SRC_PASSWORD`, `S3LO_DST_PASSWORD`). Where
 * more than one is read from stdin there is a line for each, the source's before the target's.
 *
 * Throws `usage` for a name without a password and the other way round, an empty password, and lines that are too few or
 * too many.
 */
export async function givenCredentials(options: OptionValues, from: GivenFrom = {}): Promise<GivenCredentials> {
  const { hasSides = false, env = (name: string) => Deno.env.get(name) || undefined, stdin = readStdin } = from;
  // What is typed for both goes before what the environment says of one.
  const isBothTyped = options.origin("username") !== undefined;
  const asked = KINDS.filter(({ key }) => hasSides || key === "both").map(({ key, prefix }) => {
    const variable = (name: string) => `S3LO_${prefix.replace("-", "_").toUpperCase()}${name}`;
    const typed = options.value(`${prefix}username`);
    const isOnStdin = options.flag(`${prefix}password-stdin`);
    const isBelow = key !== "both" && isBothTyped && typed === undefined && !isOnStdin;
    const password = isBelow ? undefined : env(variable("PASSWORD"));
    const username = typed ?? (isOnStdin || password !== undefined ? env(variable("USERNAME")) : undefined);
    if (isOnStdin && username === undefined) {
      throw new ImageError("usage", `--${prefix}password-stdin needs --${prefix}username`);
    }
    if (username !== undefined && !isOnStdin && password === undefined) {
      throw new ImageError("usage", `--${prefix}username needs --${prefix}password-stdin`, {
        hint: `Or set ${variable("PASSWORD")}, or run: docker login`,
      });
    }
    return { key, username, isOnStdin, password };
  });
  const lines = await readPasswords(asked.filter(({ isOnStdin }) => isOnStdin).length, stdin);
  const given: Record<(typeof KINDS)[number]["key"], Given> = { source: undefined, target: undefined, both: undefined };
  for (const { key, username, isOnStdin, password } of asked) {
    if (username !== undefined) given[key] = { username, password: (isOnStdin ? lines.shift() : password) ?? "" };
  }
  return given;
}

/** The passwords on stdin: all of it for a single one, else one a line. */
async function readPasswords(count: number, stdin: () => Promise<string>): Promise<string[]> {
  if (count === 0) return [];
  const text = (await stdin()).replace(/\r?\n$/, "");
  const lines = count === 1 ? [text] : text.split(/\r?\n/);
  if (lines.length !== count) {
    throw new ImageError("usage", `Expected ${count} passwords on stdin, one a line, and not ${lines.length}`, {
      hint: "Write the source's first, then the target's",
    });
  }
  if (lines.includes("")) throw new ImageError("usage", "The password on stdin is empty");
  return lines;
}

async function readStdin(): Promise<string> {
  const buffer = new Uint8Array(MAX_PASSWORD_BYTES);
  let length = 0;
  while (length < buffer.byteLength) {
    const count = await whenReady(() => Deno.stdin.read(buffer.subarray(length)));
    if (count === null) return new TextDecoder().decode(buffer.subarray(0, length));
    length += count;
  }
  throw new ImageError("usage", "The password on stdin is too long");
}
