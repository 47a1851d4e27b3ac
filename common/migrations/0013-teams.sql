-- Customers' Microsoft Teams tenants (direct routing), as in jambonz.
CREATE TABLE IF NOT EXISTS ms_teams_tenants (
  ms_teams_tenant_sid CHAR(36) NOT NULL PRIMARY KEY,
  service_provider_sid CHAR(36) NOT NULL,
  account_sid CHAR(36) NOT NULL,
  -- Takes calls of the tenant's users.
  application_sid CHAR(36),
  -- The domain by which Teams knows us for this tenant, lower case.
  tenant_fqdn VARCHAR(255) NOT NULL,
  UNIQUE KEY ms_teams_tenant_fqdn (tenant_fqdn),
  KEY ms_teams_tenant_account (account_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid),
  FOREIGN KEY (application_sid) REFERENCES applications (application_sid)
);
