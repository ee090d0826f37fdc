import { readAuthFile } from "./auth_file.ts";
import { type Credentials, type Environment, processEnvironment } from "./credentials.ts";
import { parseEcrHost, readEcrCredentials } from "./ecr.ts";

/** Where credentials come from, beside what this machine holds. */
export interface FindCredentialsOptions {
  /** Given by the user: they win, and nothing is looked up. */
  readonly explicit?: Credentials | undefined;
  /** The AWS profile for ECR; default the environment's. */
  readonly awsProfile?: string | undefined;
  readonly env?: Environment | undefined;
}

/** A password that ends within this time is fetched anew. */
const EXPIRY_MARGIN_MS = 5 * 60_000;

/**
 * Finds the credentials for the repositories of one registry, and remembers them.
 *
 * Looked up in order: `REGISTRY_AUTH_FILE` where it is set; Docker's `config.json` (in `DOCKER_CONFIG`, else
 * `~/.docker`); podman's `auth.json` (in `XDG_RUNTIME_DIR`, then `~/.config`); for private ECR hosts a login with the
 * AWS credentials.
 */
export class CredentialFinder {
  readonly #registry: string;
  readonly #options: FindCredentialsOptions;
  readonly #byRepository = new Map<string, Promise<Credentials | undefined>>();
  #ecr: Promise<Credentials | undefined> | undefined;

  /** `registry` as references name it. */
  constructor(registry: string, options: FindCredentialsOptions = {}) {
    this.#registry = registry;
    this.#options = options;
  }

  /**
   * The credentials for a repository; undefined means: go in without. `repository` may be empty, for the registry
   * itself.
   *
   * Throws what {@linkcode readAuthFile} and {@linkcode readEcrCredentials} throw.
   */
  async find(repository: string): Promise<Credentials | undefined> {
    if (this.#options.explicit) return this.#options.explicit;
    const known = this.#byRepository.get(repository) ?? this.#readFiles(repository);
    this.#byRepository.set(repository, known);
    return await known ?? await this.#readEcr();
  }

  async #readFiles(repository: string): Promise<Credentials | undefined> {
    for (const path of authFiles(this.#options.env ?? processEnvironment)) {
      const found = await readAuthFile(path, this.#registry, repository);
      if (found) return found;
    }
    return undefined;
  }

  async #readEcr(): Promise<Credentials | undefined> {
    const host = parseEcrHost(this.#registry);
    if (!host) return undefined;
    const pending = this.#ecr;
    const known = await pending?.catch(() => undefined);
    if (known?.kind === "password" && (known.expiresAt ?? 0) > Date.now() + EXPIRY_MARGIN_MS) return known;
    // Somebody else may have begun a login while this waited.
    if (this.#ecr === pending) this.#ecr = readEcrCredentials(host, this.#registry, this.#options.awsProfile);
    return await this.#ecr;
  }
}

/** The files that may hold credentials, in the order in which they are asked. */
export function authFiles(env: Environment): readonly string[] {
  const home = env("HOME") ?? env("USERPROFILE");
  const dockerFolder = env("DOCKER_CONFIG") ?? (home && `${home}/.docker`);
  const runtimeFolder = env("XDG_RUNTIME_DIR");
  const configFolder = env("XDG_CONFIG_HOME") ?? (home && `${home}/.config`);
  return [
    env("REGISTRY_AUTH_FILE"),
    dockerFolder && `${dockerFolder}/config.json`,
    runtimeFolder && `${runtimeFolder}/containers/auth.json`,
    configFolder && `${configFolder}/containers/auth.json`,
  ].filter((path): path is string => path !== undefined && path !== "");
}
