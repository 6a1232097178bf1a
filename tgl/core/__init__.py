"""Code that every other package uses: errors, files, tables and their schemas, types of the configuration."""
