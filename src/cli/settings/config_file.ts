import { matchesGlob } from "../../bucket/glob.ts";
import { clipped, ImageError, isImageError, messageOf } from "../../errors.ts";
import type { OptionSpec } from "../command.ts";
import { suggestion } from "../parse_options.ts";
import { BUCKET_KEYS, type ConfigFile, REGISTRY_KEYS, type SettingValues } from "./keys.ts";
import { configPath, type Env } from "./user_folders.ts";

/** Largest file of settings that is read, in bytes. */
const MAX_CONFIG_BYTES = 256 * 1024;

/**
 * Reads the file of settings; undefined where there is none. `specs` are the options that may be set in it.
 *
 * Throws `usage` when it cannot be read, is no YAML, or says what is no setting: a setting that is not understood must not be
 * taken for none.
 */
export async function readConfigFile(
  specs: readonly OptionSpec[],
  env: Env,
  os: string = Deno.build.os,
): Promise<ConfigFile | undefined> {
  const path = configPath(os, env);
  const text = path && await readText(path, env("S3LO_CONFIG") !== undefined);
  if (path === undefined || text === undefined) return undefined;
  const { parse } = await import("yaml");
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 100, logLevel: "error" });
  } catch (cause) {
    throw isImageError(cause) ? cause : invalid(path, `it is not valid YAML: ${firstLine(messageOf(cause))}`, cause);
  }
  return parseConfig(document ?? {}, path, specs);
}

async function readText(path: string, isNamed: boolean): Promise<string | undefined> {
  try {
    const info = await Deno.stat(path);
    // A pipe or device would be waited for.
    if (!info.isFile) throw invalid(path, "it is no file");
    if (info.size > MAX_CONFIG_BYTES) throw invalid(path, "it is larger than 256 KiB");
    return await Deno.readTextFile(path);
  } catch (cause) {
    if (isImageError(cause)) throw cause;
    const isMissing = cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory;
    if (isMissing && !isNamed) return undefined;
    throw invalid(path, isMissing ? "S3LO_CONFIG names it and it is not there" : messageOf(cause), cause);
  }
}

function parseConfig(document: unknown, path: string, specs: readonly OptionSpec[]): ConfigFile {
  const { buckets = {}, registries = {}, ...values } = mapping(document, "the file", path);
  const sections = (section: unknown, name: string, keys: readonly string[]) => {
    const own = specs.filter((spec) => keys.includes(spec.name));
    return new Map(
      Object.entries(mapping(section ?? {}, name, path)).map(([glob, entry]) => [
        glob,
        settings(mapping(entry ?? {}, `${name}.${glob}`, path), `${name}.${glob}.`, path, own),
      ]),
    );
  };
  const ofBuckets = sections(buckets, "buckets", BUCKET_KEYS);
  const ofRegistries = sections(registries, "registries", REGISTRY_KEYS);
  return {
    path,
    values: settings(values, "", path, specs),
    buckets: ofBuckets,
    registries: ofRegistries,
    bucket: (name) => sectionFor(ofBuckets, name),
    registry: (host) => sectionFor(ofRegistries, host),
  };
}

function settings(
  entries: Readonly<Record<string, unknown>>,
  where: string,
  path: string,
  specs: readonly OptionSpec[],
): SettingValues {
  const found = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(entries)) {
    const name = key.replaceAll("_", "-");
    const spec = specs.find((each) => each.name === name);
    if (!spec) {
      const names = [...specs.map((each) => each.name), ...(where === "" ? ["buckets", "registries"] : [])];
      throw invalid(
        path,
        `"${clipped(where + key)}" is no setting`,
        undefined,
        suggestion(name, names) ?? `Use one of: ${names.join(", ")}`,
      );
    }
    if (value === null) continue;
    found.set(name, texts(value, spec, `${where}${key}`, path));
  }
  return found;
}

function texts(value: unknown, spec: OptionSpec, where: string, path: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) && spec.multiple ? value : [value];
  return items.map((item) => {
    if (spec.value === undefined) {
      if (typeof item !== "boolean") throw invalid(path, `"${where}" must be true or false`);
    } else if (typeof item !== "string" && typeof item !== "number") {
      throw invalid(path, `"${where}" must be ${spec.multiple ? "a text or a list of texts" : "a text or a number"}`);
    }
    const text = String(item);
    if (spec.choices && !spec.choices.includes(text)) {
      throw invalid(path, `"${where}" must be ${spec.choices.join(", ")}`);
    }
    return text;
  });
}

/** What is said of one place: the section of its name, else the first whose glob matches. */
function sectionFor(sections: ReadonlyMap<string, SettingValues>, name: string): SettingValues | undefined {
  const glob = [...sections.keys()].find((each) => matchesGlob(each, name));
  return sections.get(name) ?? (glob === undefined ? undefined : sections.get(glob));
}

function mapping(value: unknown, where: string, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, `${where} must hold names and values`);
  }
  return value as Record<string, unknown>;
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.replace(/:$/, "");
}

function invalid(path: string, why: string, cause?: unknown, hint?: string): ImageError {
  return new ImageError("usage", `Cannot use the settings in "${path}": ${why}`, {
    hint: hint ?? "See what can be set: s3lo help options",
    cause,
  });
}
