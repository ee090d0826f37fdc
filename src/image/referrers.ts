import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { MAX_MANIFESTS, MAX_MANIFESTS_BYTES, Total } from "../oci/limits.ts";
import { mapPool } from "../bytes/pool.ts";
import { type GraphOptions, type ImageGraph, loadGraph } from "./image_graph.ts";
import { readChild } from "./index_walk.ts";
import type { ImageSource } from "./places.ts";

/** How long a chain of referrers of referrers may be (an SBOM's signature is two). */
const MAX_REFERRER_DEPTH = 4;

/** How many subjects are asked about at once. */
const PARALLEL_SUBJECTS = 8;

/**
 * The graph of everything that refers to an image: to its root, to its manifests, and to those referrers in turn.
 *
 * A source that cannot hold referrers gives none.
 */
export async function referrerGraphs(
  source: ImageSource,
  graph: ImageGraph,
  options: GraphOptions,
): Promise<readonly ImageGraph[]> {
  const known = new Set<Digest>(graph.manifests.map((each) => each.manifest.descriptor.digest));
  const found: ImageGraph[] = [];
  let subjects: readonly Digest[] = [...known];
  for (let depth = 0; depth < MAX_REFERRER_DEPTH && subjects.length > 0; depth++) {
    const listed = await listReferrers(source, subjects, options.signal);
    const fresh = listed.filter((each) => !known.has(each.digest) && known.add(each.digest));
    const graphs = await mapPool(
      fresh,
      PARALLEL_SUBJECTS,
      async (each) => await loadGraph(source, await readChild(source, each, "referrer"), options),
      options.signal,
    );
    // A referrer is written before the image it refers to, and after what it is made of: one level below the root's children.
    found.push(
      ...graphs.map((each) => ({
        ...each,
        manifests: each.manifests.map((node) => ({ ...node, label: node.label || "referrer" })),
      })),
    );
    subjects = fresh.map((each) => each.digest);
  }
  return found;
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
