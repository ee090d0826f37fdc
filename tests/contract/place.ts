/** What the contract tests need of a place: images of any name in it, and a look behind it. */
import type { ImageSource, ImageTarget } from "../../src/image/places.ts";
import type { Digest } from "../../src/oci/digest.ts";
import type { TestImage } from "../support/images.ts";

/** In what places differ, and may. Whatever is not named here holds for all of them. */
export interface PlaceTraits {
  /** Whether it holds indexes; otherwise it refuses one with `unsupported`. */
  readonly acceptsIndex: boolean;
  /** Whether what refers to an image is found there. */
  readonly holdsReferrers: boolean;
  /** Whether the root is read back as it was written; otherwise only its config and its layers' tars are. */
  readonly keepsRoot: boolean;
  /** What it finds of what it holds: every blob, only whole images by their root, or nothing. */
  readonly reuses: "blobs" | "images" | "nothing";
  /** Whether it takes blobs over from another place of its kind. */
  readonly links: boolean;
  /** Whether it goes on with a blob of which an earlier run wrote some: from the last byte, or with the parts that were sent. */
  readonly resumes: "bytes" | "parts" | "never";
  /** Whether each of its images may have a tag beside it. */
  readonly hasTags: boolean;
  /** Whether it takes what is no image for containers: artifacts. */
  readonly takesArtifacts: boolean;
  /** Whether several may write the same blobs at the same moment. */
  readonly sharesWriting: boolean;
}

/** How a target is opened. */
export interface OpenTestTarget {
  readonly source?: ImageSource;
  readonly signal?: AbortSignal;
  /** Told of every request. */
  readonly log?: (line: string) => void;
}

/** A place of a test's own. Images in it are called by a name (`v1`), which can be its tag. */
export interface TestPlace extends AsyncDisposable {
  readonly kind: PlaceKind;
  readonly traits: PlaceTraits;
  source(name: string): Promise<ImageSource>;
  target(name: string, options?: OpenTestTarget): Promise<ImageTarget>;
  /**
   * Everything that lies there, except whole blobs, which nothing need name and a later copy finds: what must be the same
   * before and after a copy that fails. `images`: whose unfinished uploads are looked for.
   */
  remains(...images: readonly TestImage[]): Promise<readonly string[]>;
  /** Makes a stored blob other than it was; absent where a test cannot reach it. */
  damage?(name: string, digest: Digest, change: (bytes: Uint8Array) => Uint8Array): Promise<void>;
  /** Protects every tag that is there; absent where there is no such thing. */
  protect?(): Promise<void>;
}

/** All kinds of places. */
export const PLACE_KINDS = [
  "folder",
  "oci",
  "oci-archive",
  "docker-archive",
  "bundle",
  "registry",
  "oldRegistry",
  "minio",
  "versity",
  "docker20",
  "docker29",
  "podman",
] as const;

/** One of them; those of services are called as `tests/support/services.ts` calls them. */
export type PlaceKind = (typeof PLACE_KINDS)[number];

/** What holds for most. */
const COMMON: PlaceTraits = {
  acceptsIndex: true,
  holdsReferrers: true,
  keepsRoot: true,
  reuses: "blobs",
  links: false,
  resumes: "never",
  hasTags: false,
  takesArtifacts: true,
  sharesWriting: true,
};

const STORE: PlaceTraits = { ...COMMON, links: true, resumes: "bytes", hasTags: true };
const BUCKET: PlaceTraits = { ...STORE, resumes: "parts" };
const REGISTRY: PlaceTraits = { ...COMMON, links: true, hasTags: true };
const ARCHIVE: PlaceTraits = { ...COMMON, reuses: "nothing" };
const ONE_PLATFORM = { acceptsIndex: false, holdsReferrers: false, takesArtifacts: false };

/** The table of what differs. */
export const TRAITS: Readonly<Record<PlaceKind, PlaceTraits>> = {
  folder: STORE,
  oci: { ...COMMON, resumes: "bytes" },
  "oci-archive": ARCHIVE,
  "docker-archive": { ...ARCHIVE, ...ONE_PLATFORM },
  bundle: ARCHIVE,
  registry: REGISTRY,
  // Its server does not find a blob for a moment while another writer puts the same one in its place again.
  oldRegistry: { ...REGISTRY, sharesWriting: false },
  minio: BUCKET,
  versity: BUCKET,
  docker20: { ...COMMON, ...ONE_PLATFORM, keepsRoot: false },
  docker29: { ...COMMON, reuses: "images", holdsReferrers: false },
  podman: { ...COMMON, ...ONE_PLATFORM, reuses: "images", keepsRoot: false },
};
