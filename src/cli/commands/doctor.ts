import { ImageError, isImageError } from "../../errors.ts";
import type { SelfReport } from "../../commands/doctor_self.ts";
import { type OptionValues, plainCommand } from "../command.ts";
import { permissionGrants } from "../permissions.ts";
import { outputFormat, render } from "../render.ts";
import { type AllSettings, readSettings, type Setting, settingsWithoutFile } from "../settings/settings.ts";
import { configPath, processEnv } from "../settings/user_folders.ts";
import { type ProgramFacts, programFacts } from "../version.ts";

/** `s3lo doctor`. */
export const DOCTOR = plainCommand({
  name: "doctor",
  summary: "Show what s3lo is and what it would use on this machine",
  operands: ["[REF]"],
  ignoresFile: true,
  // It looks at the permissions themselves, and at sockets; it sends nothing to any host.
  access: { net: "always", write: "always" },
  options: [{
    name: "self",
    help: "Version, permissions, sources of credentials, daemon, proxies; nothing secret, nothing sent",
  }],
  examples: [
    ["s3lo doctor --self", "What to look at first when something does not work"],
    ["s3lo doctor --self -o json", "For a bug report: it holds no secrets"],
  ],
  async run([reference], options, io) {
    if (reference !== undefined) throw (await import("../later_commands.ts")).doctorOfBucket();
    if (!options.flag("self")) {
      throw new ImageError("usage", "Nothing to check was named", {
        hint: "See this machine with s3lo doctor --self, and an image with s3lo inspect REF",
      });
    }
    const { doctorSelf, withoutPassword } = await import("../../commands/doctor_self.ts");
    const permissions = await grantedPermissions();
    const { settings, problem } = await settingsOrProblem(options);
    const common = settings.common();
    const value = (name: string) => common.find((each) => each.name === name)?.value;
    const self = await doctorSelf({
      profile: value("profile"),
      endpoint: value("endpoint"),
      region: value("region"),
      dockerHost: value("docker-host"),
      origins: new Map(common.map(({ name, from }) => [name, from])),
    });
    const report = {
      ...programFacts(),
      permissions,
      ...self,
      config_file: { path: configPath(Deno.build.os, processEnv) ?? null, problem },
      settings: [...common, ...settings.sections()].map((each) => ({ ...each, value: withoutPassword(each.value) })),
    };
    await io.out(await render(outputFormat(options), report, doctorText));
    return 0;
  },
});

/** The settings in force, and without the file's where that cannot be used. */
async function settingsOrProblem(
  options: OptionValues,
): Promise<{ readonly settings: AllSettings; readonly problem: string | null }> {
  try {
    const settings = await readSettings(options);
    return { settings, problem: settings.file ? null : "not there" };
  } catch (error) {
    if (!isImageError(error, "usage")) throw error;
    return { settings: settingsWithoutFile(options), problem: error.message };
  }
}

/** What this process may do, of what s3lo asks for: granted, or some of it, or nothing. */
async function grantedPermissions(): Promise<Readonly<Record<string, string>>> {
  const states: Record<string, string> = {};
  for (const { name, only } of permissionGrants()) {
    const wanted: Deno.PermissionDescriptor[] = name === "run"
      ? (only ?? []).map((command) => ({ name, command }))
      : name === "sys"
      ? (only ?? []).map((kind) => ({ name, kind: kind as "uid" }))
      : [{ name }];
    const granted: string[] = [];
    for (const each of wanted) {
      const { state, partial } = await Deno.permissions.query(each);
      if (state === "granted") {
        granted.push("command" in each ? String(each.command) : "kind" in each ? each.kind! : "all");
      } else if (partial) granted.push("some");
    }
    states[name] = granted.join(", ") || "none";
  }
  return states;
}

/** The JSON of docs/json.md. */
interface DoctorReport extends SelfReport, ProgramFacts {
  readonly permissions: Readonly<Record<string, string>>;
  readonly config_file: { readonly path: string | null; readonly problem: string | null };
  readonly settings: readonly Setting[];
}

function doctorText(report: DoctorReport): string {
  const from = (origin: string | null) => origin === null ? "" : ` (${origin})`;
  const { aws, registries, daemon } = report;
  const rows: [string, string][] = [
    ["s3lo", `${report.version}${report.commit === null ? ", from source" : ` (commit ${report.commit})`}`],
    [
      "runtime",
      `deno ${report.deno}, ${report.platform}${report.runtime_lacks.map((lack) => `, no ${lack}`).join("")}`,
    ],
    ...Object.entries(report.permissions).map(([name, state]): [string, string] => [`may ${name}`, state]),
    ["AWS credentials", aws.profile === null ? aws.source : `profile "${aws.profile}" (${aws.kind})`],
    [
      "AWS region",
      aws.region === null ? "the profile's, else asked of the bucket" : aws.region + from(aws.region_from),
    ],
    ["S3 endpoint", aws.endpoint === null ? "AWS" : aws.endpoint + from(aws.endpoint_from)],
    ["registry logins", [...registries.variables, ...registries.files].join(", ") || "none"],
    ["helpers", registries.helpers.join(", ") || "none"],
    [
      "daemon",
      [daemon.address, daemon.origin && `(${daemon.origin})`, daemon.problem].filter((part) => part).join(" "),
    ],
    ...(daemon.tried ?? []).map((
      { path, product, state },
    ): [string, string] => ["  tried", `${path} (${product}): ${state}`]),
    ["proxies", Object.entries(report.proxies).map(([name, value]) => `${name}=${value}`).join(" ") || "none"],
    ["authorities", report.ca_file ?? "the runtime's"],
    [
      "settings file",
      [report.config_file.path ?? "none", report.config_file.problem && `(${report.config_file.problem})`].filter((
        part,
      ) => part).join(" "),
    ],
    ...report.settings.map((
      { name, value, from: origin },
    ): [string, string] => ["setting", `${name} = ${value}${from(origin)}`]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}
