"""The GraphQL vocabulary: types, inputs, enums, errors, and the printed schema.graphql. No I/O and no business rule."""
