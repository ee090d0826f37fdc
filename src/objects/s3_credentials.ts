import { type AwsConfig, type Environment, namedProfile, readAwsConfig } from "./aws_config.ts";

/** What requests are signed with. */
export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Where they were found, in words that may be shown. */
  readonly source: string;
}

/** Members by which a profile gets its credentials in another way than by keys that stand in it. */
const OTHER_WAYS = [
  "role_arn",
  "source_profile",
  "credential_source",
  "credential_process",
  "web_identity_token_file",
  "sso_session",
  "sso_account_id",
  "sso_start_url",
  "sso_region",
  "sso_role_name",
  "login_session",
];

/**
 * Keys that stand in the environment or in the profile, in the SDK's order: a profile that was named goes before the
 * environment. Undefined where there are none, or where the profile has another way too: that is the SDK's to find.
 */
export function plainKeys(config: AwsConfig, profile: string | undefined, env: Environment): S3Keys | undefined {
  const name = namedProfile(profile, env);
  const own = name === undefined ? keysOf((member) => env(member.toUpperCase()), "env vars") : undefined;
  if (own) return own;
  const section = config.get(name ?? "default");
  if (!section || OTHER_WAYS.some((member) => section.has(member))) return undefined;
  return keysOf((member) => section.get(member) || undefined, "profile");
}

function keysOf(member: (name: string) => string | undefined, source: string): S3Keys | undefined {
  const [accessKeyId, secretAccessKey] = [member("aws_access_key_id"), member("aws_secret_access_key")];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: member("aws_session_token"), source };
}

/** Finds every other identity: the SDK. */
export interface KeyFinder {
  /** Keys that are good now; `forceRefresh` where those at hand have proven not to be. */
  keys(options?: { readonly forceRefresh?: boolean }): Promise<S3Keys>;
}

/** The credentials of one side: plain keys where there are some, else whatever the SDK finds. */
export class S3Credentials {
  readonly #profile: string | undefined;
  readonly #env: Environment;
  readonly #sdk: KeyFinder;
  #plain: S3Keys | undefined;

  /** Starts with what the configuration says that has been read. */
  constructor(config: AwsConfig, profile: string | undefined, env: Environment, sdk: KeyFinder) {
    this.#profile = profile;
    this.#env = env;
    this.#sdk = sdk;
    this.#plain = plainKeys(config, profile, env);
  }

  /** Keys that are good now. Throws what the SDK throws where it finds none. */
  async get(): Promise<S3Keys> {
    return this.#plain ?? await this.#sdk.keys();
  }

  /** Looks for fresher ones, without a word where there are none. */
  async refresh(): Promise<void> {
    this.#plain = plainKeys(await readAwsConfig(this.#env), this.#profile, this.#env);
    if (!this.#plain) await this.#sdk.keys({ forceRefresh: true }).catch(() => {});
  }
}
