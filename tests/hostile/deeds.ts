/** The commands that are tried on folders of hostile make. */
import type { Session } from "../../src/transports/session.ts";
import {
  addToIndex,
  bundleListCommand,
  bundleLoadCommand,
  bundleSaveCommand,
  copyCommand,
  inspectCommand,
  listImages,
  pullCommand,
  pushCommand,
} from "../support/by_text.ts";

/** What a round works on. */
export interface Ground {
  /** With the user's good images in many forms. */
  readonly world: { readonly folder: string };
  /** The folder that came from somebody else. */
  readonly received: string;
  /** A folder of the user's own, empty. */
  readonly own: string;
  readonly tag: string;
}

/** One kind of command. */
export interface Deed {
  readonly name: string;
  readonly kind: "store" | "layout";
  /** The same as the program's arguments. */
  readonly args?: (ground: Ground) => readonly string[];
  readonly run: (session: Session, ground: Ground) => Promise<unknown>;
  /** What must be whole once the command has succeeded and nobody interfered. */
  readonly result?: (ground: Ground) => string;
  readonly isReadOnly?: boolean;
}

const HOST = { os: "linux", architecture: "amd64" };
const inReceived = ({ received }: Ground, tag: string) => `local://${received}//app:${tag}`;
const inLayout = ({ received }: Ground, name: string) => `oci:${received}:app:${name}`;
const inOwn = ({ own }: Ground) => `local://${own}/store//app:v1`;
const good = ({ world, tag }: Ground) => `local://${world.folder}/good//app:${tag}`;
const archived = ({ world, tag }: Ground) => `oci-archive:${world.folder}/${tag}.tar`;

/** All of them. */
export const DEEDS: readonly Deed[] = [
  copy("store into a received store", "store", good, (ground) => inReceived(ground, "new")),
  copy("archive into a received store", "store", archived, (ground) => inReceived(ground, "new")),
  copy("archive over a tag of a received store", "store", archived, (ground) => inReceived(ground, ground.tag)),
  copy("store into a received layout", "layout", good, (ground) => inLayout(ground, "new")),
  copy("archive into a received layout", "layout", archived, (ground) => inLayout(ground, "new")),
  copy("a received store into a store", "store", (ground) => inReceived(ground, ground.tag), inOwn),
  copy("a received layout into a store", "layout", (ground) => inLayout(ground, ground.tag), inOwn),
  {
    name: "dry run into a received store",
    kind: "store",
    isReadOnly: true,
    args: (ground) => ["copy", "--dry-run", archived(ground), inReceived(ground, "new")],
    run: (session, ground) => copyCommand(session, archived(ground), inReceived(ground, "new"), { dryRun: true }),
  },
  {
    name: "dry run into a received layout",
    kind: "layout",
    isReadOnly: true,
    run: (session, ground) => copyCommand(session, archived(ground), inLayout(ground, "new"), { dryRun: true }),
  },
  {
    name: "list",
    kind: "store",
    isReadOnly: true,
    args: ({ received }) => ["list", `local://${received}`],
    run: (session, { received }) => listImages(session, `local://${received}`),
  },
  {
    name: "inspect",
    kind: "store",
    isReadOnly: true,
    run: (session, ground) => inspectCommand(session, inReceived(ground, ground.tag)),
  },
  {
    name: "inspect of a layout",
    kind: "layout",
    isReadOnly: true,
    run: (session, ground) => inspectCommand(session, inLayout(ground, ground.tag)),
  },
  {
    name: "pull to a file",
    kind: "store",
    isReadOnly: true,
    args: (
      ground,
    ) => ["pull", "-q", "-f", `${ground.own}/out.tar`, "--all-platforms", inReceived(ground, ground.tag), "a:v1"],
    run: (session, ground) =>
      pullCommand(session, inReceived(ground, ground.tag), {
        host: HOST,
        name: "app:v1",
        allPlatforms: true,
        file: { kind: "oci-archive", path: `${ground.own}/out.tar` },
      }),
    result: ({ own }) => `oci-archive:${own}/out.tar`,
  },
  {
    name: "pull into a received folder",
    kind: "layout",
    run: (session, ground) =>
      pullCommand(session, good(ground), {
        host: HOST,
        name: "app:v1",
        allPlatforms: true,
        file: { kind: "oci-archive", path: `${ground.received}/out.tar` },
      }),
    result: ({ received }) => `oci-archive:${received}/out.tar`,
  },
  {
    name: "push of a file",
    kind: "store",
    run: (session, ground) =>
      pushCommand(session, undefined, inReceived(ground, "new"), {
        file: { kind: "oci-archive", path: `${ground.world.folder}/${ground.tag}.tar` },
      }),
    result: (ground) => inReceived(ground, "new"),
  },
  {
    name: "index add",
    kind: "store",
    run: (session, ground) => addToIndex(session, inReceived(ground, "multi"), [good({ ...ground, tag: "single" })]),
  },
  {
    name: "bundle save",
    kind: "store",
    isReadOnly: true,
    run: (session, ground) =>
      bundleSaveCommand(session, `${ground.own}/out.tar`, [inReceived(ground, ground.tag)], { partBytes: 50_000_000 }),
    result: ({ own }) => `oci-archive:${own}/out.tar:@0`,
  },
  {
    name: "bundle load",
    kind: "store",
    run: (session, { world, received }) =>
      bundleLoadCommand(session, [`${world.folder}/bundle.tar`], `local://${received}`, { create: true }),
  },
  {
    name: "bundle list of a layout",
    kind: "layout",
    isReadOnly: true,
    run: (session, { received }) => bundleListCommand(session, [received], { verify: true }),
  },
];

function copy(name: string, kind: Deed["kind"], from: (at: Ground) => string, to: (at: Ground) => string): Deed {
  return {
    name,
    kind,
    // (Blobs of a store may be linked: then the received files get a second name.)
    isReadOnly: to === inOwn && kind === "layout",
    args: (ground) => ["copy", "-q", "--create", from(ground), to(ground)],
    run: (session, ground) => copyCommand(session, from(ground), to(ground), { create: true }),
    result: to,
  };
}
