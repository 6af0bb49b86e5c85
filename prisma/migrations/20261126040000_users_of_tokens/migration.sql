-- A user is an address that has, or had, a token. Only the op endpoint gave such addresses a uid before.
INSERT INTO "users" ("app_id", "address", "created_at")
  SELECT "app_id", "address", min("created_at") FROM "tokens" WHERE "address" IS NOT NULL
  GROUP BY "app_id", "address" ORDER BY min("created_at"), "app_id", "address"
  ON CONFLICT ("app_id", "address") DO NOTHING;
