/** What depends on the operating system and needs none to be tried: each function is told which one. */
import assert from "node:assert/strict";
import { formatPartList } from "../../src/archive/part_list.ts";
import { losesNameWhileOpen } from "../../src/archive/temporary_file.ts";
import { folderOf, listDelimiter, nameOf } from "../../src/bytes/file_paths.ts";
import { syncFolder } from "../../src/bytes/sync_folder.ts";
import { stopSignals } from "../../src/cli/main.ts";
import { pipeBytes } from "../../src/cli/pipe_pieces.ts";
import { environmentSources } from "../../src/http/ca_certificates.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { tempFolder } from "../cli/places.ts";

const UNIX = ["linux", "darwin"];

Deno.test("names of files are cut off their folders by the slashes of the system", { permissions: "none" }, () => {
  assert.equal(nameOf("C:\\media\\disk.tar", "windows"), "disk.tar");
  assert.equal(folderOf("C:\\media\\disk.tar", "windows"), "C:\\media");
  assert.equal(nameOf("C:/media/disk.tar", "windows"), "disk.tar");
  assert.equal(folderOf("disk.tar", "windows"), ".");
  for (const os of UNIX) {
    assert.equal(nameOf("/media/a\\b.tar", os), "a\\b.tar");
    assert.equal(folderOf("/media/disk.tar", os), "/media");
    assert.equal(folderOf("/disk.tar", os), "/");
  }
});

Deno.test("a list of parts has names alone on every system, so that it can be carried to another", {
  permissions: "none",
}, () => {
  const list = (path: string, os: string) => {
    const text = new TextDecoder().decode(formatPartList(path, [digestOf(new Uint8Array(1))], os));
    return text.slice(66).trim();
  };
  assert.equal(list("E:\\out\\disk.tar", "windows"), "disk.tar.001");
  for (const os of UNIX) assert.equal(list("/media/disk.tar", os), "disk.tar.001");
});

Deno.test("SSL_CERT_DIR is a list as the system writes lists", { permissions: "none" }, () => {
  const folders = (value: string, os: string) =>
    environmentSources((name) => name === "SSL_CERT_DIR" ? value : undefined, [], os);
  assert.deepEqual(folders("C:\\a;D:\\b", "windows").folders, ["C:\\a", "D:\\b"]);
  for (const os of UNIX) assert.deepEqual(folders("/a:/b;c", os).folders, ["/a", "/b;c"]);
  assert.equal(listDelimiter("windows"), ";");
});

Deno.test("signals, pipes and open files are what the system has", { permissions: "none" }, () => {
  assert.deepEqual(stopSignals("windows"), ["SIGINT"]);
  for (const os of UNIX) assert.deepEqual(stopSignals(os), ["SIGINT", "SIGTERM"]);
  assert.deepEqual(["linux", "darwin", "windows"].map(pipeBytes), [4096, 512, 512]);
  assert.deepEqual(["linux", "darwin", "windows"].map(losesNameWhileOpen), [true, true, false]);
});

Deno.test("folders are synced where the system can", async () => {
  await using folder = await tempFolder();
  await syncFolder(`${folder.path}/none`, "windows"); // nothing is opened
  if (Deno.build.os === "windows") return;
  for (const os of UNIX) {
    await syncFolder(folder.path, os);
    await assert.rejects(syncFolder(`${folder.path}/none`, os));
  }
});
