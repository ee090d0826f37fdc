import { readAwsConfig } from "./aws_config.ts";

/** Where the AWS SDK would take credentials from. */
export interface AwsSource {
  /** `environment`, `profile`, `web identity`, `container`, or `instance role`, which is asked for last. */
  readonly source: string;
  /** The profile, where one is used. */
  readonly profile: string | null;
  /** How the profile gets its credentials: `keys`, `role`, `sso`, `process`, `web identity`, `login`; null without one. */
  readonly kind: string | null;
}

/** How a profile with a member of this name gets credentials; the first that is there decides. */
const KINDS = [
  ["role_arn", "role"],
  ["aws_access_key_id", "keys"],
  ["sso_session", "sso"],
  ["sso_account_id", "sso"],
  ["web_identity_token_file", "web identity"],
  ["credential_process", "process"],
  ["login_session", "login"],
] as const;

/**
 * Tells where the AWS SDK would take credentials from, in its order, from files and the environment alone. A profile that
 * was named (`--profile`) goes before the environment's keys.
 */
export async function describeAwsSource(
  profile: string | undefined,
  env: (name: string) => string | undefined,
): Promise<AwsSource> {
  const without = { profile: null, kind: null };
  if (profile === undefined && env("AWS_ACCESS_KEY_ID") && env("AWS_SECRET_ACCESS_KEY")) {
    return { source: "environment", ...without };
  }
  const name = profile ?? env("AWS_PROFILE") ?? "default";
  const members = (await readAwsConfig(env)).get(name);
  const kind = KINDS.find(([member]) => members?.has(member))?.[1];
  if (kind !== undefined) return { source: "profile", profile: name, kind };
  if (env("AWS_WEB_IDENTITY_TOKEN_FILE") && env("AWS_ROLE_ARN")) return { source: "web identity", ...without };
  if (env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || env("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    return { source: "container", ...without };
  }
  const isOff = env("AWS_EC2_METADATA_DISABLED")?.toLowerCase() === "true";
  return { source: isOff ? "none" : "instance role", ...without };
}
