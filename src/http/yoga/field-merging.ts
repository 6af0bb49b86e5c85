import { OverlappingFieldsCanBeMergedRule, type ValidationRule } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { FieldMergingRule } from '../../graphql/field-merging.ts';

/** Validates by a rule of ours where GraphQL's own takes too long. */
export function useFieldMerging(): Plugin {
  const ours = (rule: ValidationRule) => (rule === OverlappingFieldsCanBeMergedRule ? FieldMergingRule : rule);
  return {
    onValidate({ validateFn, setValidationFn }) {
      setValidationFn((schema, document, rules: ValidationRule[], ...more) =>
        validateFn(schema, document, rules.map(ours), ...more),
      );
    },
  };
}
