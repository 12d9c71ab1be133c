package neutralize

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// parameters are rows of ir_config_parameter that a copy has where the table is
// there: without the row Odoo uses the service in production. An empty table stands
// for a key that is changed where it exists.
var parameters = []struct{ table, key, value string }{
	{"ir_config_parameter", "database.is_neutralized", "true"},
	{"iap_account", "iap.endpoint", "https://iap-sandbox.odoo.com"},
	{"iap_account", "iap.partner_autocomplete.endpoint", "https://iap-services-test.odoo.com"},
	{"iap_account", "enrich.endpoint", "https://iap-services-test.odoo.com"},
	{"iap_account", "reveal.endpoint", "https://iap-services-test.odoo.com"},
	{"iap_account", "sms.endpoint", "https://iap-services-test.odoo.com"},
	{"iap_account", "snailmail.endpoint", "https://iap-services-test.odoo.com"},
	{"account_edi_proxy_client_user", "account_edi_proxy_client.demo", "demo"},
	{"pos_mercury_configuration", "pos_mercury.enable_test_env", "True"},
	{"", "ebay_domain", "sand"},
	{"", "voip.mode", "demo"},
}

// parametersRemoved are logins to the original's accounts and servers.
var parametersRemoved = []string{
	"google_drive_authorization_code", "google_drive_refresh_token", "website_jitsi.jitsi_server_domain", "odoo_ocn.project_id", "ocn.uuid",
}

func applyParameters(ctx context.Context, tx pgx.Tx, all catalog) error {
	for _, p := range parameters {
		if p.table != "" && all[p.table] == nil {
			continue
		}
		if err := setParameter(ctx, tx, p.key, p.value, p.table != ""); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `DELETE FROM public.ir_config_parameter WHERE key = ANY ($1)`, parametersRemoved); err != nil {
		return fmt.Errorf("ir_config_parameter: %w", err)
	}
	return nil
}
