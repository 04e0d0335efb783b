"""How each root field is answered: queries, mutations, subscriptions."""
