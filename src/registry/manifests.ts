import { ImageError } from "../errors.ts";
import { type Digest, digestOf, isDigest } from "../oci/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../oci/manifest.ts";
import { MANIFEST_MEDIA_TYPES } from "../oci/media_types.ts";
import { retrying } from "../bytes/retry.ts";
import { answerBody } from "./answer_body.ts";
import { readProblems, type RegistryProblem } from "./registry_error.ts";
import type { Repository } from "./repository.ts";

const ACCEPT = MANIFEST_MEDIA_TYPES.join(", ");

/** What a registry said when it took a manifest. */
export interface PutResult {
  /** Whether it keeps the list of referrers itself (`OCI-Subject`), so that no fallback tag is needed. */
  readonly handlesSubject: boolean;
}

/**
 * Reads a manifest by tag or digest; undefined when there is none.
 *
 * A digest, the `Docker-Content-Digest` of the answer and `expected` are all checked. Throws `digest-mismatch`,
 * `invalid-input`, `unauthorized`, `denied`, `unavailable`. Spec: OCI distribution-spec v1.1.1, "Pulling manifests".
 */
export async function findManifest(
  repository: Repository,
  reference: string,
  expected?: Descriptor,
): Promise<Manifest | undefined> {
  return (await askForManifest(repository, reference, expected)).manifest;
}

/** Reads a manifest that must be there; as {@linkcode findManifest}, and throws `not-found`. */
export async function getManifest(
  repository: Repository,
  reference: string,
  expected?: Descriptor,
): Promise<Manifest> {
  const { manifest, problem } = await askForManifest(repository, reference, expected);
  if (manifest) return manifest;
  const { label, connection } = repository;
  if (problem?.code === "NAME_UNKNOWN") {
    throw new ImageError("not-found", `Cannot find repository "${label}": the registry has no such repository`, {
      hint: `Check the name; s3lo list ${connection.registry} shows what is there where the registry allows it`,
    });
  }
  const kind = isDigest(reference) ? "manifest" : "tag";
  throw new ImageError(
    "not-found",
    `Cannot find ${kind} "${reference}" in "${label}": the registry has no such ${kind}`,
    { hint: `List what is there with s3lo list ${label}` },
  );
}

async function askForManifest(
  repository: Repository,
  reference: string,
  expected?: Descriptor,
): Promise<{ readonly manifest?: Manifest; readonly problem?: RegistryProblem | undefined }> {
  const what = `manifest "${reference}" of "${repository.label}"`;
  // The body is part of the step: one that breaks off is asked for again.
  return await retrying(async () => {
    const response = await repository.send({
      method: "GET",
      url: `manifests/${reference}`,
      headers: { accept: ACCEPT },
      isChecked: isDigest(reference),
    });
    if (response.status === 404) return { problem: (await readProblems(response))[0] };
    if (response.status !== 200) throw await repository.failure(response, `Cannot read ${what}`);
    const bytes = await answerBody(response, MAX_MANIFEST_BYTES, what);
    const claimed = response.headers.get("docker-content-digest");
    const digest = isDigest(reference) ? reference : claimed !== null && isDigest(claimed) ? claimed : undefined;
    const mediaType = response.headers.get("content-type") ?? undefined;
    return { manifest: readManifest(bytes, what, { mediaType, expected, digest }) };
  }, repository.connection.retry);
}

/**
 * The digest that a tag points at, without its bytes; undefined when there is no such tag or the registry won't say.
 */
async function headManifest(repository: Repository, reference: string): Promise<Digest | undefined> {
  const response = await repository.send({
    method: "HEAD",
    url: `manifests/${reference}`,
    headers: { accept: ACCEPT },
  });
  await response.discard();
  const digest = response.headers.get("docker-content-digest");
  return response.status === 200 && digest !== null && isDigest(digest) ? digest : undefined;
}

/**
 * Writes a manifest under a tag or its digest.
 *
 * An immutable tag that points at the same manifest already is success. Throws `conflict` when such a tag points
 * elsewhere, `digest-mismatch` when the registry stored something else, `not-found` when it misses what the manifest
 * names.
 * Spec: OCI distribution-spec v1.1.1, "Pushing Manifests".
 */
export async function putManifest(repository: Repository, reference: string, manifest: Manifest): Promise<PutResult> {
  const what = `manifest "${reference}" to "${repository.label}"`;
  const response = await repository.send({
    method: "PUT",
    url: `manifests/${reference}`,
    access: repository.push,
    headers: { "content-type": manifest.content.mediaType },
    body: manifest.bytes,
  });
  if (response.status < 200 || response.status > 299) {
    const problem = await repository.failure(response, `Cannot write ${what}`);
    if (!isTagRefusal(response.status, reference)) throw problem;
    const digest = await headManifest(repository, reference).catch(() => undefined);
    if (digest === undefined) throw problem;
    if (digest === manifest.descriptor.digest) return { handlesSubject: true };
    throw new ImageError("conflict", problem.message, {
      hint: "Choose another tag: the registry does not let this one be moved",
      cause: problem,
    });
  }
  await response.discard();
  const stored = response.headers.get("docker-content-digest");
  if (stored !== null && isDigest(stored) && !isSameContent(manifest, stored)) {
    throw new ImageError(
      "digest-mismatch",
      `Cannot write ${what}: the registry stored "${stored}", not "${manifest.descriptor.digest}"`,
    );
  }
  return { handlesSubject: response.headers.has("oci-subject") };
}

/** Whether a refused write may mean "this tag must not move": 409 and 412, and ECR's 400. */
function isTagRefusal(status: number, reference: string): boolean {
  return !isDigest(reference) && (status === 400 || status === 409 || status === 412);
}

/** A registry may name the same bytes by another algorithm. */
function isSameContent(manifest: Manifest, stored: Digest): boolean {
  return stored === manifest.descriptor.digest ||
    stored === digestOf(manifest.bytes, stored.startsWith("sha512:") ? "sha512" : "sha256");
}
