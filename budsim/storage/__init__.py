"""SQLAlchemy schema, one store per noun, migrations."""
