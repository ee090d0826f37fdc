import { ImageError } from "../errors.ts";
import { apiHost } from "../registry/endpoint.ts";

/** An end of a copy: where images come from, or where they go. */
export type Side = "source" | "target";

/** What may differ between the two ends of a copy. */
export interface SideOptions {
  /** S3 endpoint; undefined for AWS itself or what the environment says. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** AWS profile, for S3 and for ECR registries. */
  readonly profile?: string | undefined;
  /** For registries; otherwise those of `docker login`. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined;
  /** Whether registries are spoken to by http. */
  readonly plainHttp?: boolean | undefined;
}

/** What holds for one bucket unless the run says otherwise. */
export interface BucketDefaults extends Omit<SideOptions, "credentials" | "plainHttp"> {
  readonly storageClass?: string | undefined;
  readonly sseKmsKeyId?: string | undefined;
  readonly concurrentBlobs?: number | undefined;
}

/** What holds for one registry unless the run says otherwise. */
export interface RegistryDefaults extends Pick<SideOptions, "profile"> {
  readonly plainHttp?: boolean | undefined;
  readonly concurrentBlobs?: number | undefined;
}

/** Settings by place, for programs whose users keep some. */
export interface PlaceDefaults {
  bucket(name: string): BucketDefaults;
  registry(host: string): RegistryDefaults;
}

/** Which registry each of the given credentials belongs to: the first one that they are taken for. */
export class CredentialOwners {
  readonly #owners = new Map<object, { readonly registry: string; readonly side: Side }>();

  /** Takes credentials for a registry of a side. Throws `usage` when they are another registry's. */
  claim(credentials: object, registry: string, side: Side): void {
    const owner = this.#owners.get(credentials) ?? { registry, side };
    this.#owners.set(credentials, owner);
    if (hostOf(owner.registry) === hostOf(registry)) return;
    throw new ImageError("usage", `Cannot give one password to two registries, "${owner.registry}" and "${registry}"`, {
      hint: owner.side === side
        ? "Run docker login for each of them, or take them one after the other"
        : "Pass --src-username and --src-password-stdin, or --dst-username and --dst-password-stdin, or run docker login",
    });
  }
}

function hostOf(registry: string): string {
  return apiHost(registry).toLowerCase();
}
