-- What people are asked, and what they answer, is kept as it was written too: they approve the numbers that they see.
alter table input_requests
  alter column params drop default,
  alter column params type json using params::json,
  alter column params set default '{}',
  alter column default_answer type json using default_answer::json,
  alter column answer type json using answer::json;
