-- Written by Prisma's engine from schema.prisma; COLLATE "C" and everything below the line were added by hand.

-- DropIndex
DROP INDEX "member_types_app_id_gid_message_type_address_idx";

-- CreateTable
CREATE TABLE "routing_turns" (
    "app_id" INTEGER NOT NULL,
    "gid" BIGINT NOT NULL,
    "message_type" INTEGER NOT NULL,
    "last" BIGINT NOT NULL,

    CONSTRAINT "routing_turns_pkey" PRIMARY KEY ("app_id","gid","message_type")
);

-- CreateTable
CREATE TABLE "routed_messages" (
    "app_id" INTEGER NOT NULL,
    "key" TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA NOT NULL,
    "receiver" TEXT COLLATE "C",
    "store" BOOLEAN NOT NULL,
    "loopback" BOOLEAN NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "routed_messages_pkey" PRIMARY KEY ("app_id","key")
);

-- CreateIndex
CREATE INDEX "routed_messages_created_at_idx" ON "routed_messages"("created_at");

-- CreateIndex
CREATE INDEX "member_types_app_id_gid_message_type_permissions_address_idx" ON "member_types"("app_id", "gid", "message_type", "permissions", "address");

-- CreateIndex
CREATE INDEX "members_app_id_gid_permissions_address_idx" ON "members"("app_id", "gid", "permissions", "address");

-- AddForeignKey
ALTER TABLE "routing_turns" ADD CONSTRAINT "routing_turns_app_id_gid_fkey" FOREIGN KEY ("app_id", "gid") REFERENCES "groups"("app_id", "gid") ON DELETE CASCADE ON UPDATE CASCADE;

-- ── What Prisma cannot express ───────────────────────────────────────────────────────────────────────────────────

ALTER TABLE "routing_turns" ADD CONSTRAINT "routing_turns_form" CHECK ("message_type" >= 0 AND "last" > 0);
-- SHA-256.
ALTER TABLE "routed_messages" ADD CONSTRAINT "routed_messages_form" CHECK (char_length("key") BETWEEN 1 AND 255 AND octet_length("hash") = 32);
