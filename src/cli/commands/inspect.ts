import type { ConfigReport, InspectReport, LayerReport, PlatformReport } from "../../commands/inspect.ts";
import { printableData } from "../../errors.ts";
import { command } from "../command.ts";
import { openSession } from "../open_session.ts";
import { outputFormat, render } from "../render.ts";
import { count, formatMegabytes } from "../text.ts";

/** `s3lo inspect`. */
export const INSPECT = command({
  name: "inspect",
  summary: "Show the platforms, layers and sizes of an image",
  operands: ["REF"],
  access: { net: "references", write: "never" },
  options: [
    { name: "platform", value: "OS/ARCH", help: "Show one platform in depth: config, history, layers" },
    { name: "digests", help: "Show the digest of each platform and layer" },
    { name: "raw", help: "Print the manifest's bytes as they are stored" },
  ],
  examples: [
    ["s3lo inspect s3://my-bucket/app:v1", "The platforms of an image"],
    ["s3lo inspect --platform linux/arm64 alpine:3", "One platform's config, labels, history and layers"],
    ["s3lo inspect -o json s3://my-bucket/app:v1", "Everything, for a script"],
    ["s3lo inspect --raw s3://my-bucket/app:v1 | sha256sum", "The bytes that the digest is made of"],
  ],
  read: async ([reference = ""]) => (await import("../../oci/location.ts")).parseLocation(reference),
  places: (location) => [location],
  async run(location, options, io) {
    const { inspectCommand, rawManifest } = await import("../../commands/inspect.ts");
    await using session = await openSession(options, io);
    const chosen = { platform: options.value("platform") };
    if (options.flag("raw")) {
      await io.out(await rawManifest(session, location, chosen));
      return 0;
    }
    const report = await inspectCommand(session, location, chosen);
    await io.out(
      await render(outputFormat(options), report, () => inspectText(shown(report), options.flag("digests"))),
    );
    return 0;
  },
});

/** The report with all texts made printable; commands of several lines are put into one before. */
function shown(report: InspectReport): InspectReport {
  const { config } = report;
  if (!config) return printableData(report);
  const history = config.history.map((step) => ({ ...step, created_by: step.created_by.replaceAll(/\s+/g, " ") }));
  return printableData({ ...report, config: { ...config, history } });
}

/** The report for people. */
function inspectText(report: InspectReport, digests: boolean): string {
  const lines = [`Reference: ${report.reference}`, ...(digests ? [`Digest: ${report.digest}`] : [])];
  lines.push(...(report.is_index ? indexLines(report, digests) : singleLines(report, digests)));
  for (const signature of report.signatures ?? []) {
    const state = signature.current ? "" : `, of ${signature.digest}, which the tag is no longer`;
    lines.push(`Signature: ${signature.key_id} (${signature.key_ref}), signed ${signature.signed_at}${state}`);
  }
  for (const referrer of report.referrers ?? []) {
    lines.push(`Referrer: ${referrer.artifact_type}  ${referrer.digest}`);
  }
  if (report.unknown) lines.push(`Not known, without s3:ListBucket: ${report.unknown.join(", ")}`);
  return `${lines.join("\n")}\n`;
}

function indexLines(report: InspectReport, digests: boolean): string[] {
  const entries = (report.platforms ?? []).filter((entry) => entry.platform !== "(attestation)");
  const attestations = (report.platforms ?? []).length - entries.length;
  const platforms = entries.filter((entry) => !entry.platform.startsWith("("));
  const width = Math.max(0, ...entries.map((entry) => entry.platform.length));
  const type = entries.some((entry) => entry.platform === "(build cache)") && platforms.length === 0
    ? `build cache of BuildKit (${count(entries.length, "entry", "entries")})`
    : `multi-arch image index (${platforms.length} platform(s))`;
  return [
    `Type: ${type}`,
    ...entries.flatMap((entry) => {
      const name = entry.platform.startsWith("(") ? "Entry:   " : "Platform:";
      const line = `${name} ${entry.platform.padEnd(width)}   ${entryState(entry)}`;
      return digests ? [line, `  ${entry.digest}`, ...layerLines(entry.layers, true, true)] : [line];
    }),
    ...(attestations > 0 ? [`Attestations: ${attestations}`] : []),
  ];
}

/** What an entry holds, and what it is where its platform does not tell. */
function entryState(entry: PlatformReport): string {
  if (entry.missing) return "MISSING: the place has no such manifest";
  if (entry.entries !== undefined) return `${count(entry.entries, "entry", "entries")}; see it by its digest`;
  const type = entry.artifact_type ?? (/^\((?:layer|blob|build cache)\)$/.test(entry.platform) ? entry.media_type : "");
  const layers = entry.layers.length > 0 || type === "" ? `Layers: ${entry.layers.length}  ` : "";
  return `${layers}Size: ${formatMegabytes(entry.total_size)}${type === "" ? "" : `  ${type}`}`;
}

/** What the types of BuildKit's cache begin with. */
const BUILD_CACHE = "application/vnd.buildkit.cacheconfig.";

function singleLines(report: InspectReport, digests: boolean): string[] {
  const layers = report.layers ?? [];
  const { artifact_type: artifactType } = report;
  const type = artifactType === undefined
    ? "single image"
    : artifactType.startsWith(BUILD_CACHE)
    ? `build cache of BuildKit (${artifactType})`
    : `artifact (${artifactType})`;
  return [
    `Type: ${type}`,
    ...(report.platform ? [`Platform: ${report.platform}`] : []),
    ...(report.created ? [`Created: ${report.created}`] : []),
    `Layers: ${layers.length}`,
    `Total: ${formatMegabytes(report.total_size ?? 0)}`,
    ...layerLines(layers, digests, digests || report.config !== undefined),
    ...(report.config ? configLines(report.config) : []),
  ];
}

function layerLines(layers: readonly LayerReport[], whole: boolean, inDepth: boolean): string[] {
  return layers.map((layer, index) => {
    const digest = whole ? layer.digest : `${layer.digest.slice(0, 19)}...`;
    return `  [${index + 1}] ${digest} (${formatMegabytes(layer.size)})${storedText(layer, inDepth)}`;
  });
}

/** How the place holds a layer; in short output only what is wrong. */
function storedText({ stored, chunks = 0, raw_size, problem }: LayerReport, inDepth: boolean): string {
  if (stored === "missing") return "  MISSING";
  if (stored === "damaged") return `  DAMAGED: ${problem ?? ""}`;
  if (!inDepth || stored === undefined) return "";
  const raw = raw_size === undefined ? "" : `, ${formatMegabytes(raw_size)} raw`;
  return stored === "chunks" ? `  in ${count(chunks, "chunk")}${raw}` : `  whole${raw}`;
}

function configLines(config: ConfigReport): string[] {
  const list = (name: string, values: readonly string[]) => values.length === 0 ? [] : [`${name}: ${values.join(" ")}`];
  const block = (name: string, values: readonly string[]) =>
    values.length === 0 ? [] : [`${name}:`, ...values.map((value) => `  ${value}`)];
  return [
    ...list("Entrypoint", config.entrypoint),
    ...list("Cmd", config.cmd),
    ...list("User", config.user === "" ? [] : [config.user]),
    ...list("WorkingDir", config.working_dir === "" ? [] : [config.working_dir]),
    ...list("Ports", config.exposed_ports),
    ...list("Volumes", config.volumes),
    ...block("Env", config.env),
    ...block("Labels", Object.entries(config.labels).map(([key, value]) => `${key}=${value}`)),
    ...block(
      `History (${count(config.history.length, "step")})`,
      config.history.map((step) => step.created_by),
    ),
  ];
}
