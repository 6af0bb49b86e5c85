-- Written by Prisma's engine from schema.prisma; COLLATE "C" and everything below the line were added by hand.

-- CreateTable
CREATE TABLE "gateway_state" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "generation" INTEGER NOT NULL DEFAULT 1,
    "revocations" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "gateway_state_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "apps" (
    "id" SERIAL NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "apps_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tokens" (
    "app_id" INTEGER NOT NULL,
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "hash" BYTEA NOT NULL,
    "address" TEXT COLLATE "C",
    "label" TEXT COLLATE "C",
    "scopes" SMALLINT NOT NULL,
    "origin" TEXT NOT NULL DEFAULT 'api',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "tokens_pkey" PRIMARY KEY ("app_id","id")
);

-- CreateTable
CREATE TABLE "users" (
    "app_id" INTEGER NOT NULL,
    "uid" BIGSERIAL NOT NULL,
    "address" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("app_id","uid")
);

-- CreateTable
CREATE TABLE "groups" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGSERIAL NOT NULL,
    "name" TEXT COLLATE "C",
    "name_folded" TEXT COLLATE "C",
    "active" BOOLEAN NOT NULL DEFAULT true,
    "flags" INTEGER NOT NULL DEFAULT 0,
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "extension" INTEGER,
    "call_flags" INTEGER NOT NULL DEFAULT 0,
    "call_resolution" SMALLINT NOT NULL DEFAULT 0,
    "call_max_duration" INTEGER,
    "member_count" INTEGER NOT NULL DEFAULT 0,
    "joins" BIGINT NOT NULL DEFAULT 0,
    "version" INTEGER NOT NULL DEFAULT 0,
    "mark" BIGINT NOT NULL DEFAULT 0,
    "xid" BIGINT NOT NULL,
    "generation" INTEGER NOT NULL,
    "start_due" TIMESTAMPTZ(3),
    "expiry_due" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "groups_pkey" PRIMARY KEY ("app_id","gid")
);

-- CreateTable
CREATE TABLE "group_types" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGINT NOT NULL,
    "message_type" INTEGER NOT NULL,
    "send" SMALLINT NOT NULL DEFAULT 2,
    "recv" SMALLINT NOT NULL DEFAULT 0,

    CONSTRAINT "group_types_pkey" PRIMARY KEY ("app_id","gid","message_type")
);

-- CreateTable
CREATE TABLE "members" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGINT NOT NULL,
    "address" TEXT COLLATE "C" NOT NULL,
    "permissions" SMALLINT NOT NULL DEFAULT 31,
    "rights" SMALLINT NOT NULL DEFAULT 0,
    "join_number" BIGINT NOT NULL,
    "joined_version" INTEGER NOT NULL,
    "xid" BIGINT NOT NULL,
    "generation" INTEGER NOT NULL,
    "joined_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "members_pkey" PRIMARY KEY ("app_id","gid","address")
);

-- CreateTable
CREATE TABLE "member_types" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGINT NOT NULL,
    "address" TEXT COLLATE "C" NOT NULL,
    "message_type" INTEGER NOT NULL,
    "permissions" SMALLINT NOT NULL DEFAULT 3,

    CONSTRAINT "member_types_pkey" PRIMARY KEY ("app_id","gid","address","message_type")
);

-- CreateTable
CREATE TABLE "former_members" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGINT NOT NULL,
    "address" TEXT COLLATE "C" NOT NULL,
    "joined_version" INTEGER NOT NULL,
    "left_version" INTEGER NOT NULL,
    "xid" BIGINT NOT NULL,
    "generation" INTEGER NOT NULL,
    "left_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "former_members_pkey" PRIMARY KEY ("app_id","gid","address")
);

-- CreateTable
CREATE TABLE "changes" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGINT NOT NULL,
    "version" INTEGER NOT NULL,
    "id" BIGSERIAL NOT NULL,
    "generation" INTEGER NOT NULL,
    "xid" BIGINT NOT NULL,
    "kind" SMALLINT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "actor" TEXT COLLATE "C",
    "mark" BIGINT NOT NULL,
    "member_count" INTEGER NOT NULL,
    "data" JSONB NOT NULL,

    CONSTRAINT "changes_pkey" PRIMARY KEY ("app_id","gid","version")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "app_id" INTEGER NOT NULL,
    "operation" TEXT COLLATE "C" NOT NULL,
    "actor" TEXT COLLATE "C" NOT NULL,
    "key" TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA NOT NULL,
    "gid" BIGINT NOT NULL,
    "version" INTEGER NOT NULL,
    "mark" BIGINT NOT NULL,
    "added" INTEGER NOT NULL DEFAULT 0,
    "updated" INTEGER NOT NULL DEFAULT 0,
    "removed" INTEGER NOT NULL DEFAULT 0,
    "unchanged" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("app_id","operation","actor","key")
);

-- CreateIndex
CREATE UNIQUE INDEX "apps_name_key" ON "apps"("name");

-- CreateIndex
CREATE UNIQUE INDEX "tokens_hash_key" ON "tokens"("hash");

-- CreateIndex
CREATE INDEX "tokens_app_id_address_idx" ON "tokens"("app_id", "address");

-- CreateIndex
CREATE UNIQUE INDEX "users_app_id_address_key" ON "users"("app_id", "address");

-- CreateIndex
CREATE INDEX "members_app_id_address_gid_idx" ON "members"("app_id", "address", "gid");

-- CreateIndex
CREATE UNIQUE INDEX "members_app_id_gid_join_number_key" ON "members"("app_id", "gid", "join_number");

-- CreateIndex
CREATE INDEX "member_types_app_id_gid_message_type_address_idx" ON "member_types"("app_id", "gid", "message_type", "address");

-- CreateIndex
CREATE INDEX "former_members_app_id_address_gid_idx" ON "former_members"("app_id", "address", "gid");

-- CreateIndex
CREATE UNIQUE INDEX "changes_app_id_generation_xid_id_key" ON "changes"("app_id", "generation", "xid", "id");

-- CreateIndex
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");

-- AddForeignKey
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_app_id_fkey" FOREIGN KEY ("app_id") REFERENCES "apps"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "users" ADD CONSTRAINT "users_app_id_fkey" FOREIGN KEY ("app_id") REFERENCES "apps"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "groups" ADD CONSTRAINT "groups_app_id_fkey" FOREIGN KEY ("app_id") REFERENCES "apps"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "group_types" ADD CONSTRAINT "group_types_app_id_gid_fkey" FOREIGN KEY ("app_id", "gid") REFERENCES "groups"("app_id", "gid") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "members" ADD CONSTRAINT "members_app_id_gid_fkey" FOREIGN KEY ("app_id", "gid") REFERENCES "groups"("app_id", "gid") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "member_types" ADD CONSTRAINT "member_types_app_id_gid_address_fkey" FOREIGN KEY ("app_id", "gid", "address") REFERENCES "members"("app_id", "gid", "address") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "former_members" ADD CONSTRAINT "former_members_app_id_gid_fkey" FOREIGN KEY ("app_id", "gid") REFERENCES "groups"("app_id", "gid") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "changes" ADD CONSTRAINT "changes_app_id_gid_fkey" FOREIGN KEY ("app_id", "gid") REFERENCES "groups"("app_id", "gid") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_app_id_fkey" FOREIGN KEY ("app_id") REFERENCES "apps"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ── What Prisma cannot express ───────────────────────────────────────────────────────────────────────────────────

INSERT INTO "gateway_state" ("id") VALUES (1);
ALTER TABLE "gateway_state" ADD CONSTRAINT "gateway_state_one_row" CHECK ("id" = 1);

-- gids begin at 1,000 and stay exact in a JSON number.
ALTER SEQUENCE "groups_gid_seq" MINVALUE 1000 START 1000 RESTART 1000 MAXVALUE 9007199254740991;
ALTER TABLE "groups" ADD CONSTRAINT "groups_gid_range" CHECK ("gid" BETWEEN 1000 AND 9007199254740991);

-- Addresses: 1 to 256 code points, no comma, no control character, no space at either end.
ALTER TABLE "members" ADD CONSTRAINT "members_address_form"
  CHECK (char_length("address") BETWEEN 1 AND 256 AND "address" !~ '[\x01-\x1f\x7f-\x9f,]' AND "address" = btrim("address"));
ALTER TABLE "users" ADD CONSTRAINT "users_address_form"
  CHECK (char_length("address") BETWEEN 1 AND 256 AND "address" !~ '[\x01-\x1f\x7f-\x9f,]' AND "address" = btrim("address"));
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_address_form"
  CHECK (char_length("address") BETWEEN 1 AND 256 AND "address" !~ '[\x01-\x1f\x7f-\x9f,]' AND "address" = btrim("address"));

-- SHA-256; bits of READ, WRITE, CREATE_GROUPS, TOKENS.
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_hash_length" CHECK (octet_length("hash") = 32);
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_scopes_known" CHECK ("scopes" BETWEEN 1 AND 15);
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_origin_known" CHECK ("origin" IN ('api', 'environment', 'op'));

ALTER TABLE "groups" ADD CONSTRAINT "groups_name_length" CHECK (char_length("name") <= 256);
-- 0x733fb is every known bit; both bits of one pair exclude each other.
ALTER TABLE "groups" ADD CONSTRAINT "groups_flags_known" CHECK (("flags" & ~x'733fb'::int) = 0);
ALTER TABLE "groups" ADD CONSTRAINT "groups_flags_levels" CHECK (
  ("flags" & x'3'::int) <> x'3'::int AND ("flags" & x'30'::int) <> x'30'::int AND ("flags" & x'300'::int) <> x'300'::int
  AND ("flags" & x'3000'::int) <> x'3000'::int AND ("flags" & x'30000'::int) <> x'30000'::int);
ALTER TABLE "groups" ADD CONSTRAINT "groups_validity" CHECK ("expires_at" >= "starts_at" AND "extension" > 0);
ALTER TABLE "groups" ADD CONSTRAINT "groups_call_settings"
  CHECK ("call_resolution" IN (0, 1, 2, 3, 4, 5, 8, 9, 10) AND "call_max_duration" > 0);
ALTER TABLE "groups" ADD CONSTRAINT "groups_counters" CHECK ("member_count" >= 0 AND "joins" >= 0 AND "version" >= 0);
ALTER TABLE "group_types" ADD CONSTRAINT "group_types_levels"
  CHECK ("message_type" > 0 AND "send" BETWEEN 0 AND 2 AND "recv" BETWEEN 0 AND 2);

ALTER TABLE "members" ADD CONSTRAINT "members_bits" CHECK ("permissions" BETWEEN 0 AND 31 AND "rights" BETWEEN 0 AND 511);
ALTER TABLE "member_types" ADD CONSTRAINT "member_types_bits" CHECK ("message_type" > 0 AND "permissions" BETWEEN 0 AND 3);
ALTER TABLE "former_members" ADD CONSTRAINT "former_members_versions" CHECK ("left_version" > "joined_version");
ALTER TABLE "changes" ADD CONSTRAINT "changes_version" CHECK ("version" > 0);
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_form" CHECK (char_length("key") BETWEEN 1 AND 255 AND octet_length("hash") = 32);

-- The orders of groups, by key; (app_id, gid) is the primary key.
CREATE INDEX "groups_by_name" ON "groups" ("app_id", (coalesce("name", '')) COLLATE "C", "gid") WHERE "deleted_at" IS NULL;
CREATE INDEX "groups_by_created_at" ON "groups" ("app_id", "created_at", "gid") WHERE "deleted_at" IS NULL;
CREATE INDEX "groups_by_updated_at" ON "groups" ("app_id", "updated_at", "gid") WHERE "deleted_at" IS NULL;
CREATE INDEX "groups_by_member_count" ON "groups" ("app_id", "member_count", "gid") WHERE "deleted_at" IS NULL;
-- What is due to start or expire, and tombstones to prune: for background work over all apps.
CREATE INDEX "groups_start_due" ON "groups" ("start_due") WHERE "start_due" IS NOT NULL AND "deleted_at" IS NULL;
CREATE INDEX "groups_expiry_due" ON "groups" ("expiry_due") WHERE "expiry_due" IS NOT NULL AND "deleted_at" IS NULL;
CREATE INDEX "groups_deleted" ON "groups" ("deleted_at") WHERE "deleted_at" IS NOT NULL;
-- Admins are few among members.
CREATE INDEX "members_with_rights" ON "members" ("app_id", "gid", "address") WHERE "rights" <> 0;

-- nameContains uses a trigram index where the extension can be had.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  EXECUTE 'CREATE INDEX "groups_by_name_part" ON "groups" USING gin ("name_folded" gin_trgm_ops) WHERE "deleted_at" IS NULL';
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm cannot be installed (%): nameContains will scan', SQLERRM;
END $$;
