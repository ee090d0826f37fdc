/** Operands in the wrong order, and paths where a name is meant: one line, and the command that was meant. */
import assert from "node:assert/strict";
import { s3lo } from "./program.ts";

const CASES: readonly (readonly [args: string[], message: RegExp, hint: RegExp])[] = [
  [["pull", "app:v1", "s3://bucket/app:v1"], /"s3:.* is a place/, /Swap them: s3lo pull s3:\/\/bucket\/app:v1 app:v1/],
  [["push", "s3://bucket/app:v1", "app:v1"], /"s3:.* is a place/, /Swap them: s3lo push app:v1 s3:\/\/bucket\/app:v1/],
  [["push", "s3://bucket/a:v1", "s3://other/a:v1"], /is a place/, /Run: s3lo copy s3:\/\/bucket\/a:v1 s3:\/\/other\/a/],
  [["push", "docker-daemon:app", "s3://bucket/app"], /is a place/, /Run: s3lo push app s3:\/\/bucket\/app/],
  [["pull", "s3://bucket/app:v1", "oci:folder"], /is a place/, /Run: s3lo copy s3:\/\/bucket\/app:v1 oci:folder/],
  [["pull", "s3://bucket/app:v1", "out.tar"], /is a path/, /Run: s3lo pull --file out\.tar s3:\/\/bucket\/app:v1/],
  [["push", "./out.tar", "s3://bucket/app:v1"], /is a path/, /Run: s3lo push --file \.\/out\.tar s3:\/\/bucket/],
  [["bundle", "load", "s3://bucket", "disk.tar"], /target stands last/, /s3lo bundle load disk\.tar s3:\/\/bucket/],
  [["copy", "alpine:3", "out.tar"], /called like a file/, /oci-archive:out\.tar or docker-archive:out\.tar/],
  [["copy", "/srv/x.tar", "s3://bucket/x:1"], /a path alone/, /oci-archive:\/srv\/x\.tar/],
  [["list", "./store"], /a path alone names no store/, /local:\/\/\.\/store/],
  [["list", "s3:/bucket"], /begins with "s3:\/"/, /Write s3:\/\/bucket/],
  [["bundle", "load", "disk.tar", "./store"], /a path alone names no store/, /local:\/\/\.\/store/],
];
for (const [args, message, hint] of CASES) {
  Deno.test(`s3lo ${args.join(" ")} says what was meant`, async () => {
    const { code, stdout, stderr } = await s3lo(args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, 2, stderr);
    assert.match(lines[0]!, message);
    assert.match(lines[1]!, hint);
  });
}
