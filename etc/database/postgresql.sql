-- SPDX-License-Identifier: Apache-2.0
-- Staffeln's database on PostgreSQL, with the least rights that its parts
-- work with. For psql, as a superuser; change the passwords.

-- staffeln-db-manage create_schema and upgrade: it owns the tables.
CREATE ROLE staffeln_migration LOGIN PASSWORD 'CHANGE-ME';
-- staffeln-conductor and the command staffeln: rows, and nothing but rows.
CREATE ROLE staffeln LOGIN PASSWORD 'CHANGE-ME';
-- staffeln-api: it reads.
CREATE ROLE staffeln_api LOGIN PASSWORD 'CHANGE-ME';

CREATE DATABASE staffeln OWNER staffeln_migration ENCODING 'UTF8'
    TEMPLATE template0;
REVOKE ALL ON DATABASE staffeln FROM PUBLIC;
GRANT CONNECT ON DATABASE staffeln TO staffeln, staffeln_api;

\connect staffeln
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO staffeln_migration;
GRANT USAGE ON SCHEMA public TO staffeln, staffeln_api;
-- What staffeln-db-manage makes from now on.
ALTER DEFAULT PRIVILEGES FOR ROLE staffeln_migration IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO staffeln;
ALTER DEFAULT PRIVILEGES FOR ROLE staffeln_migration IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO staffeln;
ALTER DEFAULT PRIVILEGES FOR ROLE staffeln_migration IN SCHEMA public
    GRANT SELECT ON TABLES TO staffeln_api;
