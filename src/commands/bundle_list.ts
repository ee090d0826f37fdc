import type { ImageError } from "../errors.ts";
import type { Bundle } from "../archive/bundle_reader.ts";
import { countBytes } from "../bytes/blob_reader.ts";
import { SourceBlob } from "../image/source_blob.ts";
import type { Digest } from "../oci/digest.ts";
import type { BundleLocation } from "../oci/locations/bundle.ts";
import { openBundle } from "../transports/open_bundle.ts";
import type { Session } from "../transports/session.ts";
import { attempt } from "./attempt.ts";
import { type BundleDocument, describeOpenBundle, loadBundleGraph } from "./bundle_contents.ts";

/** What `bundle list` tells; the JSON of docs/json.md. */
export interface BundleListReport extends BundleDocument {
  readonly file: string;
}

/** The outcome of `bundle list`. */
export interface BundleListOutcome {
  readonly report: BundleListReport;
  /** With `verify`: the blobs that are damaged. */
  readonly failures: readonly ImageError[];
}

/** Tells what a bundle holds; with `verify`, reads all of it and checks every digest. */
export async function bundleListCommand(
  session: Session,
  location: BundleLocation,
  options: { readonly verify?: boolean; readonly onPart?: (path: string) => void } = {},
): Promise<BundleListOutcome> {
  await using bundle = await openBundle(session, location, {
    checkParts: options.verify ?? false,
    onPart: options.onPart,
  });
  const report = { file: bundle.name, ...await describeOpenBundle(bundle, session.signal) };
  return { report, failures: options.verify ? await verify(bundle, session.signal) : [] };
}

async function verify(bundle: Bundle, signal: AbortSignal | undefined): Promise<readonly ImageError[]> {
  const failures: ImageError[] = [];
  const seen = new Set<Digest>();
  for (const entry of bundle.entries) {
    const { source, graphs } = await loadBundleGraph(bundle, entry, signal);
    for (const { blob, role } of graphs.flatMap((graph) => graph.blobs)) {
      if (seen.has(blob.digest) || bundle.needs.has(blob.digest)) continue;
      seen.add(blob.digest);
      const label = `${role} "${blob.digest}" of "${entry.name}"`;
      const outcome = await attempt(async () => {
        await using reader = await new SourceBlob(source, blob, { label, signal }).open();
        await countBytes(reader, signal);
      });
      if ("error" in outcome) failures.push(outcome.error);
    }
  }
  return failures;
}
