import type { GuardedFolder } from "../bytes/guarded_folder.ts";
import { undefinedIfMissing } from "../bytes/system_code.ts";
import { ImageError } from "../errors.ts";
import { OWN_FOLDER } from "./local_folders.ts";

/** Folders that a store has, where it has any: by them one sees whether its file system tells cases apart. */
const USUAL_FOLDERS = [OWN_FOLDER, "manifests"];

/**
 * What a name of a store leads to where the file system takes `App` and `app` for one (as those of macOS and Windows do, and
 * exFAT anywhere): the name that is really on the disk decides, and one that differs from it by case names nothing.
 */
export class CaseGuard {
  readonly #folder: GuardedFolder;
  #isBlind: boolean | undefined;

  /** For a store's folder; nothing is looked at before a name is asked about. */
  constructor(folder: GuardedFolder) {
    this.#folder = folder;
  }

  /** The name on the disk that differs from this one by case alone, as far as it is there; undefined where none does. */
  twinOf(name: string): string | undefined {
    if (!this.#sees(name)) return undefined;
    let folder = "";
    for (const part of name.split("/")) {
      const names = this.#entries(folder);
      const prefix = folder === "" ? "" : `${folder}/`;
      if (!names.includes(part)) {
        const twin = names.find((each) => each.toLowerCase() === part.toLowerCase());
        return twin === undefined ? undefined : prefix + twin;
      }
      folder = prefix + part;
    }
    return undefined;
  }

  /** Throws `conflict` where a file of this name would take the place of its twin. */
  expectNoTwin(name: string): void {
    const twin = this.twinOf(name);
    if (twin === undefined) return;
    const where = `in "${this.#folder.root}"`;
    throw new ImageError(
      "conflict",
      `Cannot write "${name}" ${where}: it differs only by case from "${twin}", which this file system takes for the same`,
      { hint: "Choose another name or tag, or a store on a file system that tells them apart" },
    );
  }

  /** Whether a name could have a twin: blobs and chunks are called by digests, whose case is fixed. */
  #sees(name: string): boolean {
    return name.startsWith("manifests/") && (this.#isBlind ??= this.#look()) === true;
  }

  /** Whether the file system is blind to case; undefined while there is nothing to see it by. */
  #look(): boolean | undefined {
    for (const name of USUAL_FOLDERS) {
      if (!this.#folder.look(name)) continue;
      // Found under a name that the folder does not list. (Its number is no help: some give each name one of its own.)
      const other = name.toUpperCase();
      return this.#folder.look(other) !== undefined && !this.#entries("").includes(other);
    }
    return undefined;
  }

  #entries(folder: string): readonly string[] {
    try {
      return [...Deno.readDirSync(this.#folder.pathOf(folder))].map(({ name }) => name);
    } catch (error) {
      return undefinedIfMissing(error) ?? [];
    }
  }
}

/** Names that Windows keeps for devices, with any ending. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;

/**
 * Checks that a name can be one of files on an operating system (as `Deno.build.os` names it). Windows has none called like
 * a device, cuts dots and blanks off the end, so that `v1.` would be `v1`, and refuses some characters.
 *
 * Throws `unsupported`.
 */
export function checkFileName(name: string, os: string): void {
  if (os !== "windows") return;
  const bad = name.split("/").find((part) => DEVICE.test(part) || /[. ]$/.test(part) || /[<>:"|?*\\]/.test(part));
  if (bad === undefined) return;
  throw new ImageError("unsupported", `Cannot use "${name}": Windows can have no file or folder called "${bad}"`, {
    hint: "Choose another image name or tag, or keep the image in a bucket or an archive",
  });
}
