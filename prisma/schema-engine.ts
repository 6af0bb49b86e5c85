import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  bindMigrationAwareSqlAdapterFactory,
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { SchemaEngine } from '@prisma/schema-engine-wasm';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';

export const SCHEMA_FILE = fileURLToPath(new URL('schema.prisma', import.meta.url));

// Node has this; the types of Node 24 do not.
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: object } }>;
};

/** The engine puts the message of a panic here; without this a panic appears as a TypeError. */
declare global {
  var PRISMA_WASM_PANIC_REGISTRY: { set_message(message: string): void } | undefined;
}
globalThis.PRISMA_WASM_PANIC_REGISTRY ??= {
  set_message(message) {
    throw new Error(`Prisma's schema engine: ${message}`);
  },
};

let loaded: Promise<void> | undefined;

/** Loads the engine from its bytes: importing the .wasm as a module prints an experimental warning. */
function load(): Promise<void> {
  loaded ??= (async () => {
    const glue = fileURLToPath(import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
    const bytes = await readFile(glue.replace(/\.js$/, '.wasm'));
    const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': { ...bindings } });
    bindings.__wbg_set_wasm(instance.exports);
    (instance.exports as { __wbindgen_start(): void }).__wbindgen_start();
  })();
  return loaded;
}

/** Prisma's schema engine on a driver adapter: it needs no native binary and no connection of its own. */
export async function openSchemaEngine(
  adapter: SqlMigrationAwareDriverAdapterFactory,
  datamodel?: { path: string; content: string },
): Promise<SchemaEngine> {
  await load();
  const options = { datamodels: datamodel ? [[datamodel.path, datamodel.content] as [string, string]] : undefined };
  const Engine = (bindings as unknown as { SchemaEngine: typeof SchemaEngine }).SchemaEngine;
  return Engine.new(options, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));
}

/**
 * The adapter, but running a migration's script as a whole, in one transaction, and awaiting it. Prisma's adapter for pg splits
 * it at every semicolon, even in a comment or a function; the one for PGlite does not report its errors.
 */
export function withScripts(
  factory: SqlMigrationAwareDriverAdapterFactory,
  run: (script: string) => Promise<unknown>,
): SqlMigrationAwareDriverAdapterFactory {
  const changed = (adapter: SqlDriverAdapter): SqlDriverAdapter => {
    adapter.executeScript = async (script) => {
      try {
        await run(script);
      } catch (error) {
        throw adapterError(error);
      }
    };
    return adapter;
  };
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => changed(await factory.connect()),
    connectToShadowDb: () => factory.connectToShadowDb(),
  };
}

/** PostgreSQL's error in the shape that the engine can report. */
function adapterError(error: unknown): unknown {
  const { code, severity, message, detail, column, hint } = error as Partial<Record<string, string>>;
  if (!code || !message) return error;
  return new DriverAdapterError({ kind: 'postgres', code, severity: severity ?? 'ERROR', message, detail, column, hint });
}
