import { ImageError } from "../../errors.ts";
import type { OptionSpec, OptionValues, PlaceSettings, Settings } from "../command.ts";
import { GLOBAL_OPTIONS, SIDE_OPTIONS } from "../options.ts";
import { STORAGE_OPTIONS } from "../storage_options.ts";
import { BUCKET_KEYS, type ConfigFile, REGISTRY_KEYS, type SettingValues } from "./keys.ts";
import { configPath, type Env, processEnv } from "./user_folders.ts";

/** Options that only a command line can give: questions, what one result looks like, and what comes with a password. */
const NOT_SETTINGS = ["help", "version", "format", "username", "password-stdin"];

function isSetting({ name }: OptionSpec): boolean {
  return !NOT_SETTINGS.includes(name.replace(/^(?:src|dst)-/, ""));
}

/** The common options that can be set outside of a command line. */
export function settingSpecs(): readonly OptionSpec[] {
  return [...GLOBAL_OPTIONS, ...STORAGE_OPTIONS].filter(isSetting);
}

/** The variable that stands for an option. */
export function variableOf(name: string): string {
  return `S3LO_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** A setting in force, and where it comes from. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** `--name`, a variable, or the path of the file; with the section behind it where it is one's. */
  readonly from: string;
}

/** Settings, and all that is known of them. */
export interface AllSettings extends Settings {
  /** The file of settings, where there is one. */
  readonly file: ConfigFile | undefined;
  /** What is set for everything, of the common options. */
  common(): readonly Setting[];
  /** What the file says of single buckets and registries. */
  sections(): readonly Setting[];
}

/**
 * Puts what was typed before the environment (`S3LO_…`), and that before the file of settings. What the file says of
 * buckets and registries is asked for each of them, since a run may touch several.
 *
 * Throws `usage` for values that an option does not take, naming where they stand, and for a file that cannot be used.
 */
export async function readSettings(
  typed: OptionValues,
  options: { readonly env?: Env; readonly os?: string } = {},
): Promise<AllSettings> {
  const env = options.env ?? processEnv;
  const { os = Deno.build.os } = options;
  const path = configPath(os, env);
  // Most have none, and pay nothing for it; one that is named and not there is an error.
  const isThere = path !== undefined &&
    (env("S3LO_CONFIG") !== undefined || await Deno.stat(path).then(() => true, () => false));
  const file = isThere ? await (await import("./config_file.ts")).readConfigFile(settingSpecs(), env, os) : undefined;
  return settingsFrom(typed, env, file, os);
}

/** Settings without the file, for programs that must not fail by it. */
export function settingsWithoutFile(typed: OptionValues, env: Env = processEnv): AllSettings {
  return settingsFrom(typed, env, undefined);
}

function settingsFrom(
  typed: OptionValues,
  env: Env,
  file: ConfigFile | undefined,
  os: string = Deno.build.os,
): AllSettings {
  const variables = readVariables(env, os);
  /** The file's word for everything; not of what may differ from bucket to bucket, which is asked for each. */
  const ofFile = (name: string): readonly string[] | undefined =>
    BUCKET_KEYS.includes(name) || REGISTRY_KEYS.includes(name) ? undefined : file?.values.get(name);
  const outside = (name: string) => variables.get(name) ?? ofFile(name);
  const origin = (name: string): string | undefined =>
    typed.origin(name) ?? (variables.has(name) ? variableOf(name) : ofFile(name) ? file?.path : undefined);
  const values = (name: string) => typed.origin(name) === undefined ? outside(name) ?? [] : typed.values(name);
  const flag = (name: string) => typed.origin(name) === undefined ? outside(name)?.at(-1) === "true" : typed.flag(name);
  const place = (own: SettingValues | undefined): PlaceSettings => ({
    value: (key) => (own?.get(key) ?? file?.values.get(key))?.at(-1),
    origin: file?.path ?? "",
  });
  return {
    file,
    origin,
    values,
    value: (name) => values(name).at(-1),
    flag,
    bucket: (name) => place(file?.bucket(name)),
    registry: (host) => place(file?.registry(host)),
    common: () =>
      [...settingSpecs(), ...SIDE_OPTIONS.filter(isSetting)].flatMap((spec): readonly Setting[] => {
        const { name } = spec;
        const from = origin(name);
        if (from === undefined) return fileSetting(file, name);
        return [{ name, value: spec.value === undefined ? String(flag(name)) : values(name).join(", "), from }];
      }),
    sections: () => [...sectionSettings(file, "buckets"), ...sectionSettings(file, "registries")],
  };
}

/** What the file says for every bucket or registry. */
function fileSetting(file: ConfigFile | undefined, name: string): readonly Setting[] {
  const value = file?.values.get(name)?.at(-1);
  return file && value !== undefined ? [{ name, value, from: file.path }] : [];
}

function sectionSettings(file: ConfigFile | undefined, section: "buckets" | "registries"): readonly Setting[] {
  return [...file?.[section] ?? []].flatMap(([glob, values]) =>
    [...values].map(([name, [value = ""]]) => ({ name, value, from: `${file!.path} (${section}: ${glob})` }))
  );
}

/** What the environment says, by option. */
function readVariables(env: Env, os: string): SettingValues {
  const found = new Map<string, readonly string[]>();
  for (const spec of [...settingSpecs(), ...SIDE_OPTIONS.filter(isSetting)]) {
    const variable = variableOf(spec.name);
    const text = env(variable);
    if (text === undefined) continue;
    if (spec.value === undefined) found.set(spec.name, [String(readSwitch(text, variable))]);
    else if (spec.choices && !spec.choices.includes(text)) {
      throw new ImageError("usage", `Unknown value "${text}" of ${variable}: expected ${spec.choices.join(", ")}`);
    } else found.set(spec.name, spec.multiple ? text.split(os === "windows" ? ";" : ":") : [text]);
  }
  return found;
}

function readSwitch(text: string, variable: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  if (/^(?:0|false|no|off)$/i.test(text)) return false;
  throw new ImageError("usage", `Unknown value "${text}" of ${variable}: expected true or false`);
}
