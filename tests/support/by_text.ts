/** The commands with references as people write them, as the command line and the library give them on. */
import * as bundleList from "../../src/commands/bundle_list.ts";
import * as bundleLoad from "../../src/commands/bundle_load.ts";
import * as bundleSave from "../../src/commands/bundle_save.ts";
import * as copy from "../../src/commands/copy.ts";
import * as index from "../../src/commands/index.ts";
import * as inspect from "../../src/commands/inspect.ts";
import * as pull from "../../src/commands/pull.ts";
import * as push from "../../src/commands/push.ts";
import { parseBundleItem } from "../../src/archive/bundle_names.ts";
import type { ImageSource } from "../../src/image/places.ts";
import { parseListedCollection, parseLoadTarget } from "../../src/oci/collection.ts";
import { parseLocation } from "../../src/oci/location.ts";
import { bundleAt } from "../../src/oci/locations/bundle.ts";
import * as lists from "../../src/transports/list_images.ts";
import * as open from "../../src/transports/open.ts";
import type { Session } from "../../src/transports/session.ts";

/** `copyCommand` of two references. */
export async function copyCommand(
  session: Session,
  source: string,
  target: string,
  options?: copy.CopyCommandOptions,
): Promise<copy.CopyOutcome> {
  return await copy.copyCommand(session, parseLocation(source), parseLocation(target), options);
}

/** `pullCommand` of a reference. */
export async function pullCommand(
  session: Session,
  reference: string,
  options: pull.PullOptions,
): Promise<pull.PullReport> {
  return await pull.pullCommand(session, parseLocation(reference), options);
}

/** `pushCommand` to a reference. */
export async function pushCommand(
  session: Session,
  image: string | undefined,
  reference: string,
  options?: push.PushOptions,
): Promise<push.PushReport> {
  return await push.pushCommand(session, image, parseLocation(reference), options);
}

/** `inspectCommand` of a reference. */
export async function inspectCommand(session: Session, reference: string): Promise<inspect.InspectReport> {
  return await inspect.inspectCommand(session, parseLocation(reference));
}

/** `addToIndex` of references. */
export async function addToIndex(
  session: Session,
  target: string,
  sources: readonly string[],
  options?: index.IndexCommandOptions,
): Promise<index.IndexReport> {
  return await index.addToIndex(session, parseLocation(target), sources.map((text) => parseLocation(text)), options);
}

/** `bundleSaveCommand` of references, each perhaps with a name. */
export async function bundleSaveCommand(
  session: Session,
  file: string,
  items: readonly string[],
  options?: bundleSave.BundleSaveOptions,
): Promise<bundleSave.BundleSaveOutcome> {
  return await bundleSave.bundleSaveCommand(session, file, items.map((text) => parseBundleItem(text)), options);
}

/** `bundleLoadCommand` of files into what a reference names. */
export async function bundleLoadCommand(
  session: Session,
  files: readonly string[],
  target: string,
  options?: bundleLoad.BundleLoadOptions,
): Promise<bundleLoad.BundleLoadOutcome> {
  return await bundleLoad.bundleLoadCommand(session, bundleAt(files), parseLoadTarget(target), options);
}

/** `bundleListCommand` of files. */
export async function bundleListCommand(
  session: Session,
  files: readonly string[],
  options?: Parameters<typeof bundleList.bundleListCommand>[2],
): Promise<bundleList.BundleListOutcome> {
  return await bundleList.bundleListCommand(session, bundleAt(files), options);
}

/** `listImages` of a reference. */
export async function listImages(session: Session, reference: string): Promise<readonly lists.ListedImage[]> {
  return await lists.listImages(session, parseListedCollection(reference));
}

/** `openSource` of a reference. */
export async function openSource(session: Session, reference: string): Promise<ImageSource> {
  return await open.openSource(session, parseLocation(reference));
}
