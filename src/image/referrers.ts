import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { MAX_MANIFESTS, MAX_MANIFESTS_BYTES, Total } from "../oci/limits.ts";
import { cosignTags } from "../oci/referrers.ts";
import { mapPool } from "../bytes/pool.ts";
import { type GraphOptions, type ImageGraph, loadGraph } from "./image_graph.ts";
import { readChild } from "./index_walk.ts";
import type { ImageSource } from "./places.ts";

/** How long a chain of referrers of referrers may be (an SBOM's signature is two). */
const MAX_REFERRER_DEPTH = 4;

/** How many subjects are asked about at once. */
const PARALLEL_SUBJECTS = 8;

/** A manifest that belongs to an image by the name of its tag alone (cosign's signatures), with all below it. */
export interface TaggedGraph {
  readonly tag: string;
  readonly graph: ImageGraph;
}

/** What belongs to an image beside what is below its root. */
export interface Referrers {
  /** Of what names the image, or one of its manifests, as its subject. */
  readonly graphs: readonly ImageGraph[];
  /** Of what lies at cosign's tags. */
  readonly tagged: readonly TaggedGraph[];
}

/**
 * Everything that refers to an image: to its root, to its manifests, and to those referrers in turn.
 *
 * A source that cannot hold referrers, or has no tags, gives none.
 */
export async function findReferrers(source: ImageSource, graph: ImageGraph, options: GraphOptions): Promise<Referrers> {
  const known = new Set<Digest>(graph.manifests.map((each) => each.manifest.descriptor.digest));
  const graphs: ImageGraph[] = [];
  const tagged: TaggedGraph[] = [];
  let subjects: readonly Digest[] = [...known];
  for (let depth = 0; depth < MAX_REFERRER_DEPTH && subjects.length > 0; depth++) {
    const listed = await listReferrers(source, subjects, options.signal);
    const atTags = await readTagged(source, subjects, options);
    const fresh = listed.filter((each) => !known.has(each.digest) && known.add(each.digest));
    const loaded = await mapPool(
      fresh,
      PARALLEL_SUBJECTS,
      async (each) => await loadGraph(source, await readChild(source, each, "referrer"), options),
      options.signal,
    );
    // A referrer is written before the image it refers to, and after what it is made of: one level below the root's children.
    graphs.push(...loaded.map(labelled));
    tagged.push(...atTags);
    const roots = atTags.map((each) => each.graph.manifests[0]!.manifest.descriptor);
    subjects = [...fresh, ...roots.filter((each) => !known.has(each.digest) && known.add(each.digest))]
      .map((each) => each.digest);
  }
  return { graphs, tagged };
}

function labelled(graph: ImageGraph): ImageGraph {
  return { ...graph, manifests: graph.manifests.map((node) => ({ ...node, label: node.label || "referrer" })) };
}

/** What lies at cosign's tags for some subjects. */
async function readTagged(
  source: ImageSource,
  subjects: readonly Digest[],
  options: GraphOptions,
): Promise<readonly TaggedGraph[]> {
  if (!source.tagged) return [];
  const wanted = subjects.flatMap((subject) => cosignTags(subject));
  const found = await mapPool(wanted, PARALLEL_SUBJECTS, async (tag): Promise<readonly TaggedGraph[]> => {
    const manifest = await source.tagged?.(tag);
    return manifest ? [{ tag, graph: labelled(await loadGraph(source, manifest, options)) }] : [];
  }, options.signal);
  return found.flat();
}

/** The referrers of several subjects, each once. Throws `invalid-input` when there are more than an image has. */
export async function listReferrers(
  source: ImageSource,
  subjects: readonly Digest[],
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  if (!source.referrers) return [];
  const action = `Cannot list what refers to "${source.name}"`;
  const entries = new Total(action, MAX_MANIFESTS, "referrers");
  const chars = new Total(action, MAX_MANIFESTS_BYTES, "characters of annotations");
  const lists = await mapPool(subjects, PARALLEL_SUBJECTS, async (subject) => {
    const found = await source.referrers?.(subject) ?? [];
    entries.add(found.length);
    for (const referrer of found) chars.add(annotationChars(referrer));
    return found;
  }, signal);
  return [...new Map(lists.flat().map((each) => [each.digest, each])).values()];
}

/** What a referrer's description holds beyond a bounded rest. */
function annotationChars({ annotations, data }: Descriptor): number {
  const texts = Object.entries(annotations ?? {}).flat();
  return texts.reduce((sum, text) => sum + text.length, data?.length ?? 0);
}
