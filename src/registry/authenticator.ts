import { ImageError } from "../errors.ts";
import type { RetryOptions } from "../bytes/retry.ts";
import type { HttpSender } from "../http/send_retrying.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { basicAuthorization, type Credentials } from "./credentials.ts";
import type { CredentialFinder } from "./find_credentials.ts";
import { fetchToken, type Token } from "./token_client.ts";

/** What an authenticator needs to know of its registry. */
export interface AuthenticatorOptions {
  readonly registry: string;
  readonly finder: CredentialFinder;
  readonly sender: HttpSender;
  readonly allowPlainHttp: boolean;
  readonly retry: RetryOptions;
}

/** What one request wants to be allowed to do. */
export interface Access {
  /** The repository whose credentials count; empty for the registry itself. */
  readonly repository: string;
  /** Scopes in the token server's words, for example `repository:team/app:pull`. */
  readonly scopes: readonly string[];
}

/** Keeps what a registry asks for (its challenge), and a token for every set of scopes. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #tokens = new Map<string, Promise<Token>>();
  readonly #demanded = new Map<string, readonly string[]>();
  #challenge: Challenge | undefined;

  /** Sends nothing before the first {@linkcode authorization}. */
  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Takes in the `WWW-Authenticate` of an answer; false when it offers nothing that is known here. */
  learn(headers: Headers): boolean {
    const challenges = parseChallenges(headers.get("www-authenticate") ?? "");
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"]);
    const chosen = bearer ?? challenges.find(({ scheme }) => scheme === "basic");
    if (chosen) this.#challenge = chosen;
    return chosen !== undefined;
  }

  /**
   * The `Authorization` to send; undefined where none is needed or none can be given.
   *
   * `refused` is the value that was refused just now: it is not given out again. `signal` replaces the one of the options.
   * Throws as `fetchToken` and the credential look-up do.
   */
  async authorization(
    access: Access,
    { refused, signal }: { readonly refused?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (!challenge) return undefined;
    const credentials = await this.#options.finder.find(access.repository);
    if (credentials?.kind === "registry-token") return `Bearer ${credentials.token}`;
    if (challenge.scheme === "basic") return this.#basic(credentials);
    const scopes = this.#scopes(access, refused === undefined ? undefined : challenge.parameters["scope"]);
    const key = JSON.stringify([credentials ? access.repository : "", scopes]);
    while (true) {
      const pending = this.#tokens.get(key);
      const token = await pending?.catch(() => undefined);
      if (token && token.useUntil > Date.now() && `Bearer ${token.value}` !== refused) return `Bearer ${token.value}`;
      // Somebody else may have started to fetch one while this waited: then that one is waited for.
      if (this.#tokens.get(key) !== pending) continue;
      const fresh = this.#fetch(challenge, scopes, { credentials, signal });
      this.#tokens.set(key, fresh);
      return `Bearer ${(await fresh).value}`;
    }
  }

  /** Whether credentials were used for a repository: tells "wrong ones" from "none". Never throws. */
  async hasCredentials(repository: string): Promise<boolean> {
    if (!this.#challenge) return false;
    return await this.#options.finder.find(repository).then((found) => found !== undefined, () => false);
  }

  #basic(credentials: Credentials | undefined): string | undefined {
    if (credentials?.kind === "password") return basicAuthorization(credentials.username, credentials.password);
    if (!credentials) return undefined;
    throw new ImageError(
      "unsupported",
      `Cannot log in to "${this.#options.registry}": it wants a password, and only an identity token is known`,
      { hint: "Pass --username and --password-stdin" },
    );
  }

  #fetch(
    challenge: Challenge,
    scopes: readonly string[],
    { credentials, signal }: {
      readonly credentials: Credentials | undefined;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<Token> {
    const { registry, sender, allowPlainHttp } = this.#options;
    const retry = signal ? { ...this.#options.retry, signal } : this.#options.retry;
    const { realm = "", service } = challenge.parameters;
    return fetchToken(sender, { registry, realm, service, scopes, credentials, allowPlainHttp }, retry);
  }

  /** The scopes of a request, and those that the registry demanded when it refused one like it. */
  #scopes(access: Access, demanded: string | undefined): readonly string[] {
    const key = access.scopes.join(" ");
    const extra = demanded?.split(/\s+/).filter((scope) => scope !== "" && !access.scopes.includes(scope)) ?? [];
    if (extra.length > 0) this.#demanded.set(key, [...new Set([...this.#demanded.get(key) ?? [], ...extra])]);
    return [...access.scopes, ...this.#demanded.get(key) ?? []];
  }
}
