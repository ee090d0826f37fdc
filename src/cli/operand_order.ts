import { ImageError } from "../errors.ts";
import { isPathText } from "../oci/near_misses.ts";
import { schemeOf } from "../oci/location.ts";
import { DAEMON_SCHEME } from "../oci/locations/daemon.ts";

/** Refuses operands of `pull REF [NAME]` that are swapped, or name a file, with the command that was meant. Throws `usage`. */
export function checkPullOperands(reference: string, name: string | undefined, isFile: boolean): void {
  if (name === undefined) return;
  if (isPathText(name)) {
    throw new ImageError("usage", `"${name}" is a path, and NAME is what the image is called in the daemon`, {
      hint: `Run: s3lo pull --file ${name} ${reference}`,
    });
  }
  if (schemeOf(name) === undefined) return;
  throw swapped(reference, name, "pull", isFile);
}

/** Refuses operands of `push [IMAGE] REF` that are swapped, or name a file, with the command that was meant. Throws `usage`. */
export function checkPushOperands(image: string | undefined, reference: string, isFile: boolean): void {
  if (image === undefined || isFile) return;
  if (isPathText(image)) {
    throw new ImageError("usage", `"${image}" is a path, and IMAGE is what the image is called in the daemon`, {
      hint: `Run: s3lo push --file ${image} ${reference}`,
    });
  }
  if (schemeOf(image) === undefined) return;
  throw swapped(image, reference, "push", isFile);
}

/** Refuses a target of `bundle load FILE... TARGET` that stands in front. Throws `usage`. */
export function checkLoadOperands(files: readonly string[], target: string): void {
  const [first = "", ...others] = files;
  if (!isStore(first) || isStore(target)) return;
  throw new ImageError("usage", `"${first}" is no file: the target stands last`, {
    hint: `Run: s3lo bundle load ${[...others, target, first].join(" ")}`,
  });
}

function isStore(operand: string): boolean {
  const scheme = schemeOf(operand);
  return scheme === "s3" || scheme === "local";
}

/** Two operands of `pull` or `push` of which the one that is a name in the daemon names a place. */
function swapped(first: string, second: string, command: "pull" | "push", isFile: boolean): ImageError {
  const [place, other, what] = command === "pull" ? [second, first, "NAME"] : [first, second, "IMAGE"];
  const message = `"${place}" is a place, and ${what} is what the image is called in the daemon`;
  if (schemeOf(place) === "daemon") {
    const name = place.slice(DAEMON_SCHEME.length);
    const operands = command === "pull" ? `${other} ${name}` : `${name} ${other}`;
    return new ImageError("usage", message, { hint: `Run: s3lo ${command} ${operands}` });
  }
  const isOtherPlace = schemeOf(other) !== undefined || other.includes("/");
  return new ImageError("usage", message, {
    hint: isOtherPlace || isFile
      ? `Run: s3lo copy ${first} ${second}`
      : `Swap them: s3lo ${command} ${second} ${first}`,
  });
}
