"""One pass from Azure to the page, over all vaults, again and again."""
