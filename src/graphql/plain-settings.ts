import type { InputFieldRef } from '@pothos/core';
import { PLAIN_NAMES, PLAIN_SETTINGS, type PlainName, type PlainSetting, type PlainSettings } from '../model/plain-settings.ts';
import type { builder } from './builder.ts';
import { forEachName } from './each.ts';

type Types = typeof builder.$inferSchemaTypes;

/** A field for each plain setting of an object that has them all. */
export function plainSettingFields<Parent extends PlainSettings>(t: PothosSchemaTypes.ObjectFieldBuilder<Types, Parent>) {
  return forEachName(PLAIN_NAMES, (name) => {
    const { type, clearable, description } = PLAIN_SETTINGS[name] as PlainSetting;
    return t.field({
      type,
      nullable: clearable,
      description: `${description}${clearable ? '; null: none.' : '.'}`,
      resolve: (settings) => settings[name] as never,
    });
  });
}

type InputFields = { [Name in PlainName]: InputFieldRef<Types, PlainSettings[Name] | null | undefined> };

/** An input field for each plain setting. */
export function plainSettingInputs(
  t: PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>,
  of: 'new' | 'changed',
): InputFields {
  const whenLeftOut = ({ clearable, initial }: PlainSetting) =>
    clearable ? 'null or left out: none.' : `Default ${String(initial)}.`;
  const fields = forEachName(PLAIN_NAMES, (name) => {
    const setting = PLAIN_SETTINGS[name] as PlainSetting;
    const rest = of === 'new' ? ` ${whenLeftOut(setting)}` : setting.clearable ? ' null clears it.' : '';
    return t.field({ type: setting.type, description: `${setting.description}.${rest}` });
  });
  return fields as unknown as InputFields;
}
