import { ImageError } from "../errors.ts";

/** Where variables of the environment come from; an empty one is none. */
export type Environment = (name: string) => string | undefined;

/**
 * What the files of this machine's AWS configuration say: members by section, profiles under their bare names, nested
 * members as `s3.endpoint_url`. Some are secrets: look up what is needed and keep nothing of it.
 */
export type AwsConfig = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Reads both files; one that is missing or cannot be read says nothing. */
export async function readAwsConfig(env: Environment): Promise<AwsConfig> {
  const home = env("HOME") ?? env("USERPROFILE");
  const sections = new Map<string, Map<string, string>>();
  for (
    const path of [
      env("AWS_CONFIG_FILE") ?? (home && `${home}/.aws/config`),
      env("AWS_SHARED_CREDENTIALS_FILE") ?? (home && `${home}/.aws/credentials`),
    ]
  ) addSections(sections, path ? await Deno.readTextFile(path).catch(() => "") : "");
  return sections;
}

function addSections(sections: Map<string, Map<string, string>>, text: string): void {
  let section: Map<string, string> | undefined;
  let outer = "";
  for (const line of text.split("\n")) {
    const header = /^\s*\[\s*(?:profile\s+)?"?([^\]"]+?)"?\s*\]/.exec(line)?.[1];
    if (header !== undefined) {
      section = sections.get(header) ?? new Map();
      sections.set(header, section);
      continue;
    }
    const [, indent = "", name = "", rest = ""] = /^(\s*)([\w.-]+)\s*=(.*)$/.exec(line) ?? [];
    if (name === "" || !section) continue;
    const key = indent === "" ? name.toLowerCase() : `${outer}.${name.toLowerCase()}`;
    if (indent === "") outer = key;
    section.set(key, rest.replace(/\s[#;].*$/, "").trim());
  }
}

/** The profile in use: the one that was named, else AWS_PROFILE; undefined where none is named. */
export function namedProfile(profile: string | undefined, env: Environment): string | undefined {
  return profile ?? env("AWS_PROFILE");
}

/** Makes sure that a profile that was named is there. Throws `unauthorized`. */
export function checkProfile(config: AwsConfig, profile: string | undefined, env: Environment): void {
  const name = namedProfile(profile, env);
  if (name === undefined || name === "default" || config.has(name)) return;
  const files = `${env("AWS_CONFIG_FILE") ?? "~/.aws/config"} and ${
    env("AWS_SHARED_CREDENTIALS_FILE") ?? "~/.aws/credentials"
  }`;
  throw new ImageError("unauthorized", `Cannot use the AWS profile "${name}": ${files} have none of that name`, {
    hint: profile === undefined ? "Check AWS_PROFILE" : "Check the name, or run: aws configure list-profiles",
  });
}

/** The S3 endpoint that the environment or a profile names, in AWS's order; undefined for AWS's own. */
export function configuredEndpoint(
  config: AwsConfig,
  profile: string | undefined,
  env: Environment,
): string | undefined {
  const section = config.get(namedProfile(profile, env) ?? "default");
  const isOff = [env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), section?.get("ignore_configured_endpoint_urls")];
  if (isOff.some((value) => value?.toLowerCase() === "true")) return undefined;
  const services = section?.get("services");
  return env("AWS_ENDPOINT_URL_S3") ?? env("AWS_ENDPOINT_URL") ??
    (services ? config.get(`services ${services}`)?.get("s3.endpoint_url") : undefined) ??
    section?.get("endpoint_url");
}
