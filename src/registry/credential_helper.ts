import { ImageError, messageOf } from "../errors.ts";
import { Members } from "../oci/json.ts";
import type { Credentials } from "./credentials.ts";
import { foldedMembers, parseFirstObject } from "./loose_json.ts";

/** What every helper prints when it holds nothing for a server: part of the protocol, which has no code for it. */
const NOT_FOUND = "credentials not found";

/** Longest time a helper may take: some ask the user to unlock a key ring. */
const TIMEOUT_MS = 120_000;

/**
 * Asks a Docker credential helper (`docker-credential-<name> get`) for a server's credentials; undefined when it holds
 * none.
 *
 * Throws `unsupported` when the helper is not installed or its name is not one, `unauthorized` when it fails,
 * `invalid-input` when its answer cannot be read.
 */
export async function askCredentialHelper(name: string, server: string): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new ImageError("unsupported", `Cannot use credential helper "${name.slice(0, 80)}": not a helper name`, {
      hint: "Correct credsStore or credHelpers in Docker's config.json",
    });
  }
  const program = `docker-credential-${name}`;
  const { success, stdout } = await runHelper(program, server);
  if (success) return parseAnswer(stdout, program);
  const said = new TextDecoder().decode(stdout).trim();
  if (said.toLowerCase().startsWith(NOT_FOUND)) return undefined;
  const firstLine = said.split("\n")[0]?.replaceAll(/\p{Cc}/gu, " ").slice(0, 200);
  throw new ImageError(
    "unauthorized",
    `Cannot get credentials for "${server}": "${program}" failed${firstLine ? `: ${firstLine}` : ""}`,
    { hint: `Run docker login ${server} again, or pass --username and --password-stdin` },
  );
}

async function runHelper(program: string, server: string): Promise<Deno.CommandOutput> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: ["get"],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).spawn();
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "it is not installed" : messageOf(cause).split("\n")[0];
    throw new ImageError("unsupported", `Cannot run credential helper "${program}": ${why}`, {
      hint: `Install ${program}, or remove it from Docker's config.json`,
      cause,
    });
  }
  const writer = child.stdin.getWriter();
  // A helper may end without reading its input.
  await writer.write(new TextEncoder().encode(server)).catch(() => {});
  await writer.close().catch(() => {});
  return await child.output();
}

function parseAnswer(stdout: Uint8Array, program: string): Credentials | undefined {
  const what = `the answer of "${program}"`;
  const answer = parseFirstObject(stdout, what);
  if (!answer) return undefined;
  const members = new Members(foldedMembers(answer), what);
  const username = members.string("username") ?? "";
  const secret = members.string("secret") ?? "";
  if (username === "" && secret === "") return undefined;
  if (username === "<token>") return { kind: "identity-token", token: secret };
  return { kind: "password", username, password: secret };
}
