-- AlterTable
ALTER TABLE "apps" ADD COLUMN     "pruned_generation" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "pruned_id" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "pruned_xid" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "groups" ADD COLUMN     "ended_generation" INTEGER,
ADD COLUMN     "ended_xid" BIGINT;
