-- A dead letter that is redriven asks again under the same keys: what was canceled with it gives them free.
update authorizations a set key = null
from input_requests i
where i.authorization_id = a.id
  and i.state = 'canceled'
  and a.state = 'denied'
  and a.key is not null;
update input_requests set key = null where state = 'canceled' and key is not null;
