-- Records of changes of many message types bear only what changed: the next of them after a version are looked for.
CREATE INDEX "changes_with_sets" ON "changes" ("app_id", "gid", "version") WHERE "kind" = 2 AND "data" ? 'sets';
