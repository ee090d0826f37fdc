import { ImageError } from "../../errors.ts";
import type { SelfReport } from "../../commands/doctor_self.ts";
import type { CommandSpec } from "../command.ts";
import { permissionGrants } from "../permissions.ts";
import { outputFormat, render } from "../render.ts";
import { type ProgramFacts, programFacts } from "../version.ts";

/** `s3lo doctor`. */
export const DOCTOR: CommandSpec = {
  name: "doctor",
  summary: "Show what s3lo is and what it would use on this machine",
  operands: [],
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
  async run(_operands, options, io) {
    if (!options.flag("self")) {
      throw new ImageError("usage", "Say what to look at", { hint: "Run: s3lo doctor --self" });
    }
    const { doctorSelf } = await import("../../commands/doctor_self.ts");
    const permissions = await grantedPermissions();
    const self = await doctorSelf({
      profile: options.value("profile"),
      endpoint: options.value("endpoint"),
      region: options.value("region"),
      dockerHost: options.value("docker-host"),
    });
    const report = { ...programFacts(), permissions, ...self };
    await io.out(await render(outputFormat(options), report, doctorText));
    return 0;
  },
};

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

function doctorText(
  report: SelfReport & ProgramFacts & { readonly permissions: Readonly<Record<string, string>> },
): string {
  const { aws, registries, daemon } = report;
  const rows: [string, string][] = [
    ["s3lo", `${report.version}${report.commit === null ? ", from source" : ` (commit ${report.commit})`}`],
    [
      "runtime",
      `deno ${report.deno}, ${report.platform}${report.runtime_lacks.map((lack) => `, no ${lack}`).join("")}`,
    ],
    ...Object.entries(report.permissions).map(([name, state]): [string, string] => [`may ${name}`, state]),
    ["AWS credentials", aws.profile === null ? aws.source : `profile "${aws.profile}" (${aws.kind})`],
    ["AWS region", aws.region ?? "the profile's, else asked of the bucket"],
    ["S3 endpoint", aws.endpoint ?? "AWS"],
    ["registry logins", registries.files.join(", ") || "none"],
    ["helpers", registries.helpers.join(", ") || "none"],
    [
      "daemon",
      [daemon.address, daemon.origin && `(${daemon.origin})`, daemon.problem].filter((part) => part).join(" "),
    ],
    ["proxies", Object.entries(report.proxies).map(([name, value]) => `${name}=${value}`).join(" ") || "none"],
    ["authorities", report.ca_file ?? "the runtime's"],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}
