-- In a schema of its own the tables do not see pg_trgm by its bare names where it is installed in another one.
DO $$
DECLARE
  home text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm');
BEGIN
  IF home IS NOT NULL AND to_regclass('groups_by_name_part') IS NULL THEN
    EXECUTE format('CREATE INDEX "groups_by_name_part" ON "groups" USING gin ("name_folded" %I.gin_trgm_ops) WHERE "deleted_at" IS NULL', home);
  END IF;
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm cannot be used (%): nameContains will scan', SQLERRM;
END $$;
