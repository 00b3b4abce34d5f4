-- SPDX-License-Identifier: Apache-2.0
-- Staffeln's database on MariaDB or Galera, with the least rights that its
-- parts work with. Change the passwords, and '%' to the hosts that connect.
CREATE DATABASE staffeln CHARACTER SET utf8mb4;

-- staffeln-conductor and the command staffeln: rows, and nothing but rows.
CREATE USER 'staffeln'@'%' IDENTIFIED BY 'CHANGE-ME';
GRANT SELECT, INSERT, UPDATE, DELETE ON staffeln.* TO 'staffeln'@'%';

-- staffeln-api: it reads.
CREATE USER 'staffeln_api'@'%' IDENTIFIED BY 'CHANGE-ME';
GRANT SELECT ON staffeln.* TO 'staffeln_api'@'%';

-- staffeln-db-manage create_schema and upgrade: tables as well.
CREATE USER 'staffeln_migration'@'%' IDENTIFIED BY 'CHANGE-ME';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX
    ON staffeln.* TO 'staffeln_migration'@'%';
