/**
 * Starts the real services that the tests use, runs a command with their addresses in its environment, and stops them.
 *
 *   deno task services -- deno test …        all default services around one command
 *   deno task services start                 keeps them up until Ctrl-C and prints `export` lines
 *   deno task services programs [NAME …]     only gets the programs, by default those that all services need
 *
 * `--with docker20,docker29,podman` adds engines. A variable of `tests/support/services.ts` that is set already names a
 * service that runs elsewhere, which is then not started. The exit code is the command's, or 1 if a service is
 * missing that this machine was told to have (`CI=true`).
 */
import { SERVICES } from "./services/all.ts";
import { ensurePrograms } from "./services/ensure_programs.ts";
import { CLIENTS, type ProgramName, PROGRAMS } from "./services/programs.ts";
import { forward, print, say } from "./services/run.ts";
import { Session } from "./services/session.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** What the command line asks for. */
export interface Request {
  readonly action: "run" | "start" | "programs";
  readonly with: readonly string[];
  readonly command: readonly string[];
  /** After `programs`: which; none means all that are needed. */
  readonly programs: readonly ProgramName[];
}

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function parseRequest(args: readonly string[]): Request {
  const end = args.indexOf("--");
  const own = end < 0 ? [...args] : args.slice(0, end);
  const command = end < 0 ? [] : args.slice(end + 1);
  const names = SERVICES.filter((service) => service.onRequest).map((service) => service.name as string);
  let wanted: string[] = [];
  const programs: ProgramName[] = [];
  let action: Request["action"] | undefined = command.length > 0 ? "run" : undefined;
  for (let arg = own.shift(); arg !== undefined; arg = own.shift()) {
    if (arg === "--with") {
      wanted = (own.shift() ?? "").split(",").filter((name) => name !== "");
      const unknown = wanted.find((name) => !names.includes(name));
      if (unknown !== undefined) throw new Error(`Unknown service "${unknown}" after --with: ${names.join(", ")}`);
    } else if ((arg === "start" || arg === "programs") && action === undefined) action = arg;
    else if (action === "programs" && Object.hasOwn(PROGRAMS, arg)) programs.push(arg as ProgramName);
    else throw new Error(`Unexpected argument "${arg}"`);
  }
  if (action === undefined) throw new Error("Say `start`, `programs`, or `-- <command>`");
  return { action, with: wanted, command, programs };
}

async function main(request: Request): Promise<number> {
  if (request.action === "programs") return await getPrograms(request);
  await using session = new Session();
  const stopped = Promise.withResolvers<number>();
  const children: Deno.ChildProcess[] = [];
  for (const [signal, code] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
    Deno.addSignalListener(signal, () => {
      for (const child of children) forward(signal, child);
      stopped.resolve(code);
    });
  }
  const starting = session.start(request.with).then(() => undefined);
  const early = await Promise.race([starting, stopped.promise]);
  if (early !== undefined) return early;
  if (request.action === "start") {
    for (const [name, value] of Object.entries(session.variables)) print(`export ${name}='${value}'`);
    say("running until Ctrl-C");
    return await stopped.promise;
  }
  const child = spawn(request.command, session.variables);
  children.push(child);
  const { code } = await child.status;
  children.pop();
  const missing = Deno.env.get("CI") === "true" ? session.failed : [];
  if (missing.length > 0) say(`missing although CI=true: ${missing.join(", ")}`);
  return code === 0 && missing.length > 0 ? 1 : code;
}

function spawn(command: readonly string[], variables: Readonly<Record<string, string>>): Deno.ChildProcess {
  const [program = "", ...args] = command;
  // Inside a task `deno` is the running one, which need not be on PATH.
  return new Deno.Command(program === "deno" ? Deno.execPath() : program, { args, env: { ...variables } }).spawn();
}

async function getPrograms(request: Request): Promise<number> {
  const services = SERVICES.filter((service) => !service.onRequest || request.with.includes(service.name));
  const all = [...new Set([...services.flatMap((service) => service.programs), ...CLIENTS])];
  const names = request.programs.length > 0 ? request.programs : all;
  const found = await ensurePrograms(names);
  for (const name of names) print(`${name}\t${found.get(name) ?? "missing"}`);
  return names.every((name) => found.has(name)) ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(parseRequest(Deno.args)));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(2);
  }
}
